// The review: a gallery of which only the rows in view exist, and the cell that is looked at beside it.
import { $, element, fixed, get, key, mark, marks, named, post, reader, say, svg, t, thumbnail } from "./page.js";

const PADDING = 2; // rows beyond what is in view
const LATER = 120; // milliseconds before a field is loaded, so that fast keys don't load each
const POLL = 4000; // milliseconds
const here = `/s/${key}`;
const who = `reader=${encodeURIComponent(reader)}`;
const gallery = $("gallery");
const sheet = gallery.appendChild(element("div", { role: "presentation" }));
const cells = new Map(); // by id, in the server's order
const chosen = new Set();
let shown = []; // ids after the filter; it stays as it is while cells are judged
let fields = {};
let focus = {}; // by id
let at = 0; // place in `shown`
let columns = 1;
let size = 100;
let version = "";
let cross = null; // where a missed cell is added: [x, y] in pixels of the field
let queue = Promise.resolve(); // changes go out one after another
let timer;

const toGallery = () => gallery.focus({ preventScroll: true });
const current = () => cells.get(shown[at]);
const last = (cell) => Object.values(cell.others ?? {}).at(-1)?.[0];
const label = (cell) => cell.mine?.[0] ?? (cell.must ? "" : (last(cell) ?? cell.answer ?? ""));

function describe(cell) {
  const parts = [`${t.cell} ${cell.id}`, t[label(cell)] ?? label(cell)];
  if (cell.answer) parts.push(`${t.machine}${t.colon}${t[cell.answer] ?? cell.answer}`);
  return parts.concat(cell.reason || []).join(", ");
}

// The gallery

function draw() {
  const width = gallery.clientWidth;
  columns = Math.max(3, Math.floor(width / 112));
  size = width / columns;
  sheet.style.height = `${Math.ceil(shown.length / columns) * size}px`;
  const first = Math.max(0, Math.floor(gallery.scrollTop / size) - PADDING) * columns;
  const last = Math.min(shown.length, (Math.ceil((gallery.scrollTop + gallery.clientHeight) / size) + PADDING) * columns);
  const old = new Map([...sheet.children].map((each) => [each.id, each]));
  const kept = [];
  for (let place = first; place < last; place++) {
    const cell = cells.get(shown[place]);
    kept.push(tile(cell, place, old.get(`cell-${cell.id}`)));
  }
  sheet.replaceChildren(...kept);
  if (!shown.length) sheet.replaceChildren(element("p", { role: "option", textContent: t.none }));
  gallery.setAttribute("aria-activedescendant", shown.length ? `cell-${shown[at]}` : "");
}

function tile(cell, place, old) {
  const made = old ?? element("div", { id: `cell-${cell.id}`, role: "option" }, element("img", { alt: "", loading: "lazy", src: `${here}/crops/${cell.id}.jpg` }), element("span"));
  made.lastChild.replaceWith(mark(label(cell), cell.mine ? "mine" : ""));
  made.className = [place === at && "current", chosen.has(cell.id) && "chosen", cell.must && !cell.mine && "waits", cell.pending && "pending"].filter(Boolean).join(" ");
  made.ariaLabel = describe(cell);
  made.ariaSelected = String(chosen.has(cell.id));
  made.ariaSetSize = String(shown.length);
  made.ariaPosInSet = String(place + 1);
  made.style.width = made.style.height = `${size}px`;
  made.style.transform = `translate(${(place % columns) * size}px, ${Math.floor(place / columns) * size}px)`;
  return made;
}

function go(place, extend = false) {
  if (!shown.length) return;
  if (cross) setCross(null); // it belongs to the field that was shown
  if (extend && current()) chosen.add(current().id);
  at = Math.min(shown.length - 1, Math.max(0, place));
  if (extend) chosen.add(shown[at]);
  const top = Math.floor(at / columns) * size;
  gallery.scrollTop = Math.min(top, Math.max(gallery.scrollTop, top + size - gallery.clientHeight));
  update();
}

// The cell beside it

function update() {
  draw();
  const all = [...cells.values()];
  const asked = all.filter((cell) => cell.must || cell.mine).length;
  const open = all.filter((cell) => cell.must && !cell.mine).length;
  $("progress").value = asked ? (asked - open) / asked : 1;
  $("waiting").textContent = `${open} ${t.waiting}${chosen.size ? ` · ${chosen.size} ${t.chosen}` : ""}`;
  for (const button of document.querySelectorAll("[data-kind]")) {
    button.ariaPressed = String(current()?.mine?.[0] === button.dataset.kind);
  }
  const cell = current();
  $("detail").classList.toggle("empty", !cell);
  if (!cell) return;
  picture($("crop"), `${here}/crops/${cell.id}.jpg`);
  $("crop").alt = describe(cell);
  const lines = [element("h2", { textContent: `${t.cell} ${cell.id}` })];
  if (cell.added) lines.push(element("p", { textContent: t.by_hand }));
  if (cell.answer) {
    lines.push(element("p", {}, `${t.machine}${t.colon}`, ...named(cell.answer)));
    if (cell.reason) lines.push(element("p", { className: "reason", textContent: cell.reason }));
    const shares = Object.entries(cell.shares).map(([name, share]) => {
      const meter = element("meter", { min: 0, max: 1, value: share });
      meter.ariaLabel = t[name] ?? name;
      return element("tr", {}, element("th", { scope: "row", textContent: t[name] ?? name }), element("td", {}, meter), element("td", { textContent: `${fixed(100 * share, 1)} %` }));
    });
    lines.push(element("table", {}, ...shares));
  }
  for (const [name, verdict] of Object.entries(cell.others ?? {})) lines.push(element("p", { textContent: `${name}${t.colon}${words(verdict)}` }));
  lines.push(element("p", {}, element("strong", { textContent: `${t.you}${t.colon}${words(cell.mine)}` })));
  $("facts").replaceChildren(...lines);
  $("note").value = cell.mine?.[1] ?? "";
  clearTimeout(timer);
  timer = setTimeout(() => (showField(), showAlike()), LATER);
}

/** The cells that look most like this one, among those that a person has named. */
async function showAlike() {
  const cell = current();
  if (!cell) return;
  const { alike } = await get(`${here}/alike/${cell.id}?${who}`).catch(() => ({ alike: [] }));
  if (cell !== current()) return;
  $("alike").hidden = !alike.length;
  $("alike").lastElementChild.replaceChildren(...alike.map(([id, kind]) => thumbnail(id, ...named(kind))));
}

const words = (verdict) => (verdict ? t[verdict[0]] + (verdict[1] ? ` (${verdict[1]})` : "") : "–");

/** Shows a picture, and nothing until it is there: never the one before beside what is said of this one. */
function picture(image, path) {
  if (image.getAttribute("src") === path) return;
  image.classList.add("loading");
  image.src = path;
}
for (const image of [$("crop"), $("field").firstChild]) image.addEventListener("load", () => image.classList.remove("loading"));

function showField() {
  const cell = current();
  if (!cell) return;
  const [width, height] = fields[cell.field];
  const [image, drawing, missing] = $("field").children;
  if (image.dataset.field !== String(cell.field)) {
    image.dataset.field = cell.field;
    image.hidden = false;
    missing.hidden = true;
    picture(image, `${here}/fields/${cell.field}.jpg`);
    Object.assign(image, { width, height, alt: `${t.field} ${cell.field}` });
  }
  drawing.setAttribute("viewBox", `0 0 ${width} ${height}`);
  const boxes = [...cells.values()].filter((each) => each.field === cell.field);
  const drawn = boxes.map(({ id, box: [x, y, w, h] }) => svg("rect", { x, y, width: w, height: h, class: id === cell.id ? "this" : "" }));
  if (cross) {
    const d = `M${cross[0] - width / 30} ${cross[1]}h${width / 15}M${cross[0]} ${cross[1] - width / 30}v${width / 15}`;
    drawn.push(svg("path", { d, class: "cross under" }), svg("path", { d, class: "cross" }));
  }
  drawing.replaceChildren(...(image.hidden ? [] : drawn));
}
$("field").firstChild.addEventListener("error", ({ target }) => {
  target.hidden = true;
  target.nextSibling.replaceChildren();
  $("field").lastChild.hidden = false;
});

// Changes

/** Sends a change after those before it. What is shown as saved is on the disk. */
function change(what, values, then) {
  queue = queue.then(async () => {
    try {
      const done = await post(`${here}/${what}`, { reader, ...values });
      for (const [id, mine] of Object.entries(done.mine)) if (cells.has(Number(id))) cells.get(Number(id)).mine = mine;
      version = JSON.stringify(done.version);
      await then(done);
    } catch (error) {
      say(error.message, true);
    }
    for (const id of values.cells ?? []) if (cells.has(id)) cells.get(id).pending = false;
    update();
  });
  return queue;
}

function judge(kind, note = "") {
  if (cross) return addCell(kind);
  const ids = chosen.size ? [...chosen] : current() ? [current().id] : [];
  if (!ids.length) return;
  for (const id of ids) cells.get(id).pending = true;
  if (chosen.size) chosen.clear();
  else if (at < shown.length - 1) go(at + 1);
  update();
  change("judge", { cells: ids, kind, note }, () => say(`${t.saved}${t.colon}${t.cell} ${ids.slice(0, 9).join(", ")}${ids.length > 9 ? " …" : ""}${t.colon}${t[kind]}`));
}

function back(what) {
  change(what, {}, (done) => {
    const ids = Object.keys(done.mine).map(Number);
    const places = ids.map((id) => shown.indexOf(id)).filter((place) => place >= 0);
    if (places.length) go(Math.min(...places));
    say(ids.length ? `${t[what]}${t.colon}${t.cell} ${ids.slice(0, 9).join(", ")}` : t.nothing);
  });
}

function addCell(kind) {
  const [x, y] = cross;
  change("add", { field: current().field, x, y, kind }, async (done) => {
    setCross(null);
    await load();
    filter(done.added);
    say(`${t.added}${t.colon}${t.cell} ${done.added}${t.colon}${t[kind]}`);
  });
}

function setCross(place) {
  const kept = current() && !$("field").firstChild.hidden;
  if (place && !kept) say(t.no_field);
  cross = kept ? place : null;
  $("adding").hidden = !cross;
  $("add").ariaPressed = String(Boolean(cross));
  if (cross) $("field").scrollIntoView({ block: "nearest" });
  showField();
}

// Loading and filters

async function load() {
  const loaded = await get(`${here}/cells?${who}`);
  const ids = new Set(loaded.cells.map((cell) => cell.id));
  for (const id of cells.keys()) if (!ids.has(id)) cells.delete(id);
  for (const cell of loaded.cells) cells.set(cell.id, Object.assign(cells.get(cell.id) ?? {}, cell, { must: cell.must || cells.get(cell.id)?.must }));
  fields = loaded.fields;
  version = JSON.stringify(loaded.version);
  const reasons = new Set(loaded.cells.map((cell) => cell.why).filter(Boolean));
  offer("reason", [...reasons].map((why) => [why, why]));
  const readers = new Set(loaded.cells.flatMap((cell) => Object.keys(cell.others ?? {})));
  offer("by", [...readers].map((name) => [`=${name}`, name]));
}

/** Adds to a filter what it doesn't offer yet: pairs of value and text. */
function offer(filter, choices) {
  const known = new Set([...($(filter)?.options ?? [])].map((each) => each.value));
  for (const [value, text] of choices) if (!known.has(value)) $(filter).add(new Option(text, value));
}

/** How sharp the pictures of the cells are is measured only if somebody asks. */
async function measureFocus() {
  if ($("focus").value === "*" || [...cells.keys()].every((id) => id in focus)) return;
  say("…");
  focus = await get(`${here}/focus`, 300_000).catch((error) => (say(error.message, true), {}));
  say("");
}

/** Chooses the cells that are shown, and goes to one of them. */
function filter(id = shown[at]) {
  const kind = $("kind").value;
  const why = $("reason")?.value ?? "*";
  const sharp = $("focus").value;
  const by = $("by").value;
  const judged = (cell) => (by === "!" ? !cell.mine && !last(cell) : by === "=" ? cell.mine : (cell.others ?? {})[by.slice(1)]);
  const fits = (cell) =>
    (kind === "*" || (kind === "!" ? cell.must && !cell.mine : label(cell) === kind)) && (why === "*" || cell.why === why) && (sharp === "*" || focus[cell.id] === sharp) && (by === "*" || judged(cell));
  shown = [...cells.values()].filter(fits).map((cell) => cell.id);
  chosen.clear();
  at = 0;
  go(Math.max(0, shown.indexOf(id)));
  update();
}

async function poll() {
  try {
    const { version: now } = await get(`${here}/version`);
    await queue;
    if (JSON.stringify(now) !== version) {
      const known = new Set(cells.keys());
      await load();
      shown = [...shown.filter((id) => cells.has(id)), ...[...cells.keys()].filter((id) => !known.has(id))];
      update();
    }
  } catch {}
  setTimeout(poll, POLL);
}

// Keys and clicks

const MOVES = { ArrowLeft: () => -1, ArrowRight: () => 1, ArrowUp: () => -columns, ArrowDown: () => columns, PageUp: () => -4 * columns, PageDown: () => 4 * columns, Home: () => -Infinity, End: () => Infinity };
const kinds = [...document.querySelectorAll("[data-kind]")].map((each) => each.dataset.kind);
const KEYS = {
  Backspace: () => back("undo"),
  r: () => back("redo"),
  "?": () => $("keys").showModal(),
  a: () => setCross(cross ? null : centre()),
  n: () => $("note").focus(),
  x: () => toggle(at),
  Escape: () => (cross ? setCross(null) : (chosen.clear(), update())),
};
kinds.forEach((kind, place) => (KEYS[place + 1] = () => judge(kind)));
const centre = () => fields[current()?.field]?.map((side) => side / 2) ?? null;

function toggle(place) {
  const id = shown[place];
  if (!chosen.delete(id)) chosen.add(id);
  update();
}

document.addEventListener("keydown", (event) => {
  const inside = event.target.closest("input, select, dialog");
  if (event.key === "Escape" && event.target.id === "note") toGallery();
  if (inside || event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.key === " ") return void (event.target.closest("a, .tools button") || event.preventDefault());
  const act = KEYS[event.key];
  if (event.key in MOVES) {
    const step = MOVES[event.key]();
    if (cross && Math.abs(step) !== Infinity) {
      const [width, height] = fields[current().field];
      const along = (event.shiftKey ? 0.005 : 0.02) * width * Math.sign(step);
      const wide = event.key === "ArrowLeft" || event.key === "ArrowRight";
      setCross([Math.min(width - 1, Math.max(0, cross[0] + (wide ? along : 0))), Math.min(height - 1, Math.max(0, cross[1] + (wide ? 0 : along)))]);
    } else go(at + step, event.shiftKey);
  } else if (act) act();
  else return;
  event.preventDefault();
});
gallery.addEventListener("click", (event) => {
  const option = event.target.closest("[role=option][id]");
  if (!option) return;
  const place = shown.indexOf(Number(option.id.slice(5)));
  if (event.shiftKey) for (let each = Math.min(at, place); each <= Math.max(at, place); each++) chosen.add(shown[each]);
  else if (event.ctrlKey || event.metaKey || $("several").ariaPressed === "true") toggle(place);
  go(place);
});
$("field").addEventListener("click", (event) => {
  const image = $("field").firstChild;
  if (image.classList.contains("loading") || image.dataset.field !== String(current()?.field)) return;
  const frame = image.getBoundingClientRect();
  const [width, height] = fields[current()?.field] ?? [0, 0];
  const place = [((event.clientX - frame.left) / frame.width) * width, ((event.clientY - frame.top) / frame.height) * height];
  if (width && place[0] >= 0 && place[1] >= 0 && place[0] < width && place[1] < height) setCross(place);
});
for (const button of document.querySelectorAll("[data-kind]")) {
  button.addEventListener("click", () => (judge(button.dataset.kind), toGallery()));
  button.addEventListener("keyup", (event) => event.key === " " && event.preventDefault());
}
for (const [button, name] of [["undo", "Backspace"], ["redo", "r"], ["add", "a"], ["help", "?"]]) {
  $(button).addEventListener("click", () => (KEYS[name](), toGallery()));
}
$("several").addEventListener("click", ({ target }) => (target.ariaPressed = String(target.ariaPressed !== "true")));
$("noting").addEventListener("submit", (event) => {
  event.preventDefault();
  judge(current()?.mine?.[0] ?? "other", $("note").value.trim());
  toGallery();
});
for (const each of ["kind", "reason", "focus", "by"]) $(each)?.addEventListener("change", async () => (await measureFocus(), filter()));
for (const option of $("kind").options) if (t[option.value]) option.label = `${marks[option.value]} ${t[option.value]}`;
gallery.addEventListener("scroll", draw, { passive: true });
new ResizeObserver(draw).observe(gallery);
await load().catch((error) => say(error.message, true));
filter();
toGallery();
setTimeout(poll, POLL);
