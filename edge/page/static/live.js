// The live view: asks how the run goes, and says within a second where no picture comes.
import { $, element, get, key, mark, post, say, t } from "./page.js";

const EVERY = 250; // milliseconds
const STALE = 0.7; // seconds
const LOST = 700; // milliseconds without an answer
const percent = (value) => `${(100 * value).toFixed(1)}`;
let lastAnswer = performance.now();
let latest = "";

function show(state) {
  const stale = !state.over && !state.paused && state.age !== null && state.age > STALE;
  $("view").classList.toggle("stale", stale || state.over);
  $("age").textContent = state.over || state.age === null ? "" : `${t.age} ${Math.round(1000 * state.age)} ms · ${state.rate}`;
  $("doing").textContent = state.over ? t.over : state.paused ? t.paused : state.doing;
  const warnings = state.over ? [] : state.warnings.map((each) => t[each] ?? each);
  const text = [...(stale ? [t.stale] : []), ...warnings, ...(state.unlike ?? [])].join(" · ");
  if ($("warnings").textContent !== text) $("warnings").textContent = text;
  for (const name of ["focus", "light"]) $(name).value = state[name] ?? 0;
  $("pause").textContent = state.paused ? t.resume : t.pause;
  $("pause").disabled = $("finish").disabled = state.over;
  const counted = state.counted ?? state.cells;
  $("progress").value = counted / state.target;
  $("counted").textContent = `${counted} ${t.of} ${state.target}`;
  const rows = Object.entries(state.counts ?? {}).map(([label, count]) => {
    const share = state.shares[label];
    const shown = share && share.value !== null;
    const cells = [count, shown ? `${percent(share.value)} %` : "", shown ? `${percent(share.low)}–${percent(share.high)} %` : ""];
    const head = element("th", { scope: "row" }, mark(label), ` ${t[label]}`);
    return element("tr", {}, head, ...cells.map((each) => element("td", { textContent: each })));
  });
  $("counts").tBodies[0].replaceChildren(...rows);
  const ids = JSON.stringify(state.latest);
  if (ids !== latest) {
    latest = ids;
    const items = state.latest.map(([id, answer]) => {
      const image = element("img", { src: `/s/${key}/crops/${id}.jpg`, width: 80, height: 80, alt: `${t.cell} ${id}` });
      const caption = answer ? [mark(answer), ` ${t[answer] ?? answer}`] : [];
      return element("li", {}, image, ...caption);
    });
    $("latest").replaceChildren(...items);
  }
}

async function ask() {
  try {
    show(await get("/live/state", 2 * LOST));
    lastAnswer = performance.now();
  } catch {}
  setTimeout(ask, EVERY);
}

setInterval(() => {
  if (performance.now() - lastAnswer < LOST) return;
  $("view").classList.add("stale");
  if ($("warnings").textContent !== t.lost) $("warnings").textContent = t.lost;
  $("doing").textContent = $("age").textContent = "";
}, EVERY / 2);

async function steer(what) {
  try {
    await post(`/live/${what}`);
  } catch (error) {
    say(error.message, true);
  }
}
$("pause").addEventListener("click", () => steer("pause"));
$("finish").addEventListener("click", () => confirm($("finish").dataset.sure) && steer("finish"));
ask();
