// The live view: the newest picture with its age, how the run goes, and within a second a word where no picture comes.
import { $, element, fixed, get, key, marks, named, post, say, svg, t, thumbnail } from "./page.js";

const EVERY = 250; // milliseconds
const STALE = 700; // milliseconds
const LOST = 700; // milliseconds without an answer
const NARROWEST = 0.15; // of the picture's width; the scale bar is at least so long
const percent = (value) => fixed(100 * value, 1);
let lastAnswer = performance.now();
let lastFrame = lastAnswer; // when the program last said that it has another good frame
let latest = "";
let state = null;
let taken = null; // when the picture was taken, by the server's clock, milliseconds
let clock = { apart: 0, doubt: Infinity }; // the server's clock less this browser's, and how far off that may be

/** How old the picture is now, milliseconds; null before there is one. */
const age = () => (taken === null ? null : Math.max(0, performance.now() + clock.apart - taken));

// The picture. The next one is asked for when the one before is drawn, so that a slow browser never gets old ones.

async function watch() {
  const canvas = $("picture");
  for (let number = 0; ; ) {
    try {
      if (document.hidden || state?.over) throw new Error("Nobody looks.");
      const response = await fetch(`/live/picture?after=${number}`, { signal: AbortSignal.timeout(5000) });
      if (response.status === 204) continue;
      if (!response.ok) throw new Error(response.statusText);
      const bitmap = await createImageBitmap(await response.blob());
      if (canvas.width !== bitmap.width || canvas.height !== bitmap.height) Object.assign(canvas, { width: bitmap.width, height: bitmap.height });
      canvas.getContext("2d").drawImage(bitmap, 0, 0);
      bitmap.close();
      boxes(JSON.parse(response.headers.get("x-boxes")));
      number = Number(response.headers.get("x-number"));
      taken = 1000 * response.headers.get("x-taken");
      canvas.dispatchEvent(new CustomEvent("shown", { detail: age(), bubbles: true })); // for benchmark page
      fresh();
    } catch {
      await new Promise((done) => setTimeout(done, EVERY));
    }
  }
}

/** Draws a box around each cell, with the mark of its answer and the probability. */
function boxes(cells) {
  if (!state?.size) return;
  const text = (12 * state.size[0]) / $("picture").clientWidth; // 12 pixels of the screen
  const drawn = cells.flatMap(([x, y, width, height, answer, share]) => {
    const label = marks[answer] ?? "…";
    const box = svg("rect", { x, y, width, height, "data-mark": answer && label });
    if (!answer) return [box];
    const words = `${label}${share ? ` ${fixed(share, 2)}` : ""}`;
    const top = y > 1.3 * text ? y - 1.3 * text : y + height;
    const back = svg("rect", { x, y: top, width: (0.62 * words.length + 0.8) * text, height: 1.3 * text, class: "back", "data-mark": label });
    return [box, back, svg("text", { x: x + 0.3 * text, y: top + text, "font-size": text }, words)];
  });
  $("over").setAttribute("viewBox", `0 0 ${state.size.join(" ")}`);
  $("over").firstElementChild.replaceChildren(...drawn);
}

/** Says how old the picture is, and whether that is too old. */
function fresh() {
  const lost = performance.now() - lastAnswer > LOST;
  const stale = !state?.over && age() !== null && age() > STALE;
  $("view").classList.toggle("stale", lost || stale || Boolean(state?.over));
  $("age").textContent = lost || state?.over || age() === null ? "" : `${t.age} ${Math.round(age())} ms · ${state?.rate ?? ""}`;
  if (lost) $("doing").textContent = "";
  const warnings = state && !state.over ? state.warnings.map((each) => t[each] ?? each) : [];
  const late = performance.now() - lastFrame > STALE ? t.stale : t.slow;
  const text = lost ? t.lost : [...(stale ? [late] : []), ...warnings, ...(state?.unlike ?? [])].join(" · ");
  if ($("warnings").textContent !== text) $("warnings").textContent = text;
}

// How the run goes

async function ask() {
  try {
    const asked = performance.now();
    const before = state?.frames;
    state = await get("/live/state", 2 * LOST);
    lastAnswer = performance.now();
    if (state.frames !== before) lastFrame = lastAnswer;
    // The answer left the server at some time in between. The quickest answer tells best; clocks drift, so it is forgotten.
    const doubt = (lastAnswer - asked) / 2;
    clock.doubt += EVERY / 1000;
    if (doubt <= clock.doubt) clock = { apart: 1000 * state.now - asked - doubt, doubt };
    show();
  } catch {}
  setTimeout(ask, EVERY);
}

function show() {
  fresh();
  $("doing").textContent = state.over ? state.problem || t.over : state.paused ? t.paused : state.doing;
  for (const name of ["focus", "light"]) $(name).value = state[name] ?? 0;
  $("pause").textContent = state.over ? t.go_on : state.paused ? (state.begun ? t.resume : t.start) : t.pause;
  $("pause").hidden = state.over && !(key && state.counted < state.target);
  $("finish").disabled = $("flat").disabled = state.over;
  $("flat-said").textContent = state.flat && (t[state.flat] ?? state.flat);
  $("exposing").hidden = state.over || state.exposure === null;
  $("exposure").textContent = Math.round(state.exposure);
  scale();
  if (!key) return list(Object.entries(state.answers));
  const counted = state.counted ?? state.cells;
  $("progress").value = counted / state.target;
  $("counted").textContent = `${counted} ${t.of} ${state.target}`;
  list(
    Object.entries(state.counts ?? {}).map(([label, count]) => {
      const share = state.shares[label];
      const shown = share && share.value !== null;
      return [label, count, shown ? `${percent(share.value)} %` : "", shown ? `${percent(share.low)}–${percent(share.high)} %` : ""];
    }),
  );
  const ids = JSON.stringify(state.latest);
  if (ids === latest) return;
  latest = ids;
  $("latest").replaceChildren(...state.latest.map(([id, answer]) => thumbnail(id, ...(answer ? named(answer) : []))));
}

function list(counts) {
  const rows = counts.map(([label, ...values]) => {
    const head = element("th", { scope: "row" }, ...named(label));
    return element("tr", {}, head, ...values.map((each) => element("td", { textContent: each })));
  });
  $("counts").tBodies[0].replaceChildren(...rows);
}

/** Draws the scale bar and the red cell over the picture, in pixels of the camera. */
function scale() {
  const wanted = $("bar").checked || $("circle").checked;
  const drawn = [];
  if (wanted && state.scale && state.size) {
    const [width, height] = state.size;
    const [pixel, known] = state.scale;
    $("scale").textContent = known ? t.by_profile : t.by_red_cell;
    if ($("bar").checked) {
      const least = NARROWEST * width * pixel;
      const ten = 10 ** Math.floor(Math.log10(least));
      const long = ten * [1, 2, 5, 10].find((each) => each * ten >= least);
      const d = `M${width * 0.97 - long / pixel} ${height * 0.95}h${long / pixel}`;
      drawn.push(svg("path", { d, class: "under" }), svg("path", { d }));
      drawn.push(svg("text", { x: width * 0.97 - long / pixel / 2, y: height * 0.93, "font-size": width / 45 }, `${long} µm`));
    }
    if ($("circle").checked && state.red_cell) {
      const at = { cx: place[0] * width, cy: place[1] * height, r: state.red_cell / 2 };
      drawn.push(svg("circle", { ...at, class: "under" }), svg("circle", at));
    }
  } else $("scale").textContent = wanted ? t.no_ruler : "";
  $("over").lastElementChild.replaceChildren(...drawn);
}
let place = [0.5, 0.5]; // of the red cell's circle, shares of the picture
$("picture").addEventListener("click", ({ offsetX, offsetY, target }) => {
  place = [offsetX / target.clientWidth, offsetY / target.clientHeight];
  if (state) scale();
});

for (const each of ["pause", "finish", "flat", "brighter", "darker"]) {
  $(each).addEventListener("click", async ({ currentTarget }) => {
    if (currentTarget.dataset.sure && !confirm(currentTarget.dataset.sure)) return;
    try {
      await post(`/live/${each}`);
    } catch (error) {
      say(error.message, true);
    }
  });
}
for (const each of ["bar", "circle"]) $(each).addEventListener("change", () => state && scale());
setInterval(fresh, EVERY / 2);
ask();
watch();
