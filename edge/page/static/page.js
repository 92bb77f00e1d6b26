// What all pages share: words, requests, and what is said aloud.
const held = JSON.parse(document.getElementById("page").textContent);
export const { t, marks, key, reader } = held;
export const $ = (id) => document.getElementById(id);
export const say = (text, bad = false) => {
  const said = $("said");
  said.textContent = text;
  said.className = bad ? "bad" : "";
};

/** A number with so many decimals, as the language writes it. */
export const fixed = (value, digits) => value.toFixed(digits).replace(".", t.decimal);

/** Loads JSON. Throws an Error whose message may be shown. */
export async function get(path, patience = 20_000) {
  return answer(fetch(path, { headers: { accept: "application/json" }, signal: AbortSignal.timeout(patience) }));
}

/** Changes something. It is on the disk when the promise is fulfilled. */
export async function post(path, values = {}) {
  const headers = { "content-type": "application/json", accept: "application/json" };
  return answer(fetch(path, { method: "POST", headers, body: JSON.stringify(values) }));
}

async function answer(request) {
  let response;
  try {
    response = await request;
  } catch {
    throw new Error(t.failed);
  }
  const text = await response.text();
  if (response.ok) return JSON.parse(text);
  let message = text;
  try {
    message = JSON.parse(text).error;
  } catch {}
  throw new Error(message || t.failed);
}

/** A new element with properties, attributes in `data` and children. */
export function element(name, properties = {}, ...children) {
  const made = Object.assign(document.createElement(name), properties);
  made.append(...children);
  return made;
}

/** The mark of a label: a letter on a colour. */
export function mark(label, extra = "") {
  const made = element("span", { className: `mark ${extra}`, textContent: marks[label] ?? "…" });
  made.dataset.mark = made.textContent;
  return made;
}

/** A label's mark with its name in this language. */
export const named = (label) => [mark(label), ` ${t[label] ?? label}`];

/** A small picture of a cell in a list. */
export function thumbnail(id, ...caption) {
  const image = element("img", { src: `/s/${key}/crops/${id}.jpg`, width: 80, height: 80, alt: `${t.cell} ${id}` });
  return element("li", {}, image, ...caption);
}

/** A new element of a drawing. */
export function svg(name, attributes, text = "") {
  const made = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [each, value] of Object.entries(attributes)) made.setAttribute(each, value);
  made.textContent = text;
  return made;
}
