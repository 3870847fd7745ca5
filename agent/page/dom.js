// Elements. What comes from the agent is only ever set as text, never as markup.

const SVG = "http://www.w3.org/2000/svg";
const HANDLERS = ["onclick", "oninput", "onsubmit", "ontoggle"];
// Attributes that a person or a change under way has set, and no update touches.
const KEPT = ["open", "aria-busy", "data-phase"];
const CONTROLS = "a[href], button, input, select, [tabindex]";

// As people count: node2 before node10.
const { compare } = new Intl.Collator("en", { numeric: true });
export const byName = (one, other) => compare(one.name, other.name);

const wanted = (child) => child !== null && child !== undefined && child !== false && child !== "";

function fill(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (value === undefined || value === null || value === false) continue;
    if (name.startsWith("on")) element[name] = value;
    else element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.flat(9).filter(wanted));
  return element;
}

export function h(tag, attributes = {}, ...children) {
  return fill(document.createElement(tag), attributes, children);
}

export function svg(tag, attributes = {}, ...children) {
  return fill(document.createElementNS(SVG, tag), attributes, children);
}

// Sets the content of an element. Elements that are there already are updated in place, which keeps focus,
// selection, scrolling and what was opened. They are matched by id or data-key, else by their order among
// those of the same tag.
export function show(element, ...children) {
  const next = h("div", {}, children);
  const focused = element.contains(document.activeElement) ? document.activeElement : null;
  const around = [];
  for (let each = focused; each && each !== element; each = each.parentElement) around.push(each);
  adopt(element, next);
  if (!focused || document.activeElement === focused) return;
  // It was removed, or moved: the focus goes to the nearest control that is left.
  const place = [...around, element].find((each) => each === element || element.contains(each));
  (place.matches(CONTROLS) ? place : place.querySelector(CONTROLS))?.focus({ preventScroll: true });
}

const kind = (node) => `${node.nodeName} ${node.id || node.dataset?.key || ""}`;

function adopt(element, next) {
  const old = Map.groupBy(element.childNodes, kind);
  const pairs = [...next.childNodes].map((child) => [old.get(kind(child))?.shift(), child]);
  // A button shows the progress of its change until that ends, though the host's state has others by now.
  for (const left of old.values()) left.forEach((each) => each.ariaBusy === "true" || each.remove());
  let place = element.firstChild;
  for (const [same, child] of pairs) {
    if (same) update(same, child);
    if ((same ?? child) === place) place = place.nextSibling;
    else element.insertBefore(same ?? child, place);
  }
}

function update(old, next) {
  if (old.nodeType === Node.TEXT_NODE) {
    if (old.data !== next.data) old.data = next.data;
    return;
  }
  for (const { name } of [...old.attributes]) if (!next.hasAttribute(name) && !KEPT.includes(name)) old.removeAttribute(name);
  for (const { name, value } of next.attributes) if (!KEPT.includes(name) && old.getAttribute(name) !== value) old.setAttribute(name, value);
  for (const name of HANDLERS) old[name] = next[name];
  adopt(old, next);
}

const STATES = {
  good: ["running", "active", "done", "ok"],
  bad: ["crashed", "failed", "failing", "unsettled", "undone"],
  warn: ["paused", "in shutdown", "pmsuspended", "waiting", "inactive", "installing", "interrupted"],
};

export function state(word) {
  return h("span", { class: `state ${Object.keys(STATES).find((each) => STATES[each].includes(word)) ?? ""}` }, word);
}

// columns: of each its `label` and `cell`, which returns what it shows of an item; perhaps `number`, `quiet`
// (a label that is only read out) and `sort` (what a press on the label does). One that is false is left out.
// key: returns what an item is recognized by. sorted: `by`, the label of a column, and whether `down`.
export function table(caption, columns, items, key, { empty = "none", sorted = {} } = {}) {
  const shown = columns.filter(Boolean);
  const head = ({ label, number, quiet, sort }) => {
    const order = sorted.by === label ? (sorted.down ? "descending" : "ascending") : null;
    const inside = quiet ? h("span", { class: "unseen" }, label) : sort ? h("button", { type: "button", class: "sort", onclick: sort }, label) : label;
    return h("th", { scope: "col", class: number && "number", "aria-sort": order }, inside);
  };
  const cell = (item) => ({ label, number, quiet, cell: inside }, i) => h(i ? "td" : "th", {
    scope: i ? null : "row",
    class: number && "number",
    "data-label": i && !quiet ? label : null,
  }, inside(item));
  const none = () => h("tr", {}, h("td", { colspan: shown.length, class: "soft" }, empty));
  return h("div", { class: "scroll" }, h("table", {},
    caption && h("caption", {}, caption),
    h("thead", {}, h("tr", {}, shown.map(head))),
    h("tbody", {}, items.length ? items.map((item) => h("tr", { "data-key": key(item) }, shown.map(cell(item)))) : none())));
}

// Text that the keyboard can scroll too. label: its name for who cannot see what is around it.
export function pre(content, { label, ...attributes } = {}) {
  return h("pre", { tabindex: "0", role: label && "group", "aria-label": label, ...attributes }, content);
}

export function facts(pairs) {
  return h("dl", { class: "facts" }, pairs.filter(Boolean).map(([name, value]) => [h("dt", {}, name), h("dd", {}, value)]));
}

export function time(seconds) {
  if (seconds === null || seconds === undefined) return "";
  const date = new Date(seconds * 1000);
  return h("time", { datetime: date.toISOString(), class: "nowrap" }, date.toLocaleString([], { dateStyle: "short", timeStyle: "medium" }));
}

export function size(bytes) {
  const units = ["B", "kB", "MB", "GB", "TB"];
  let unit = 0;
  while (bytes >= 1024 && unit < 4) [bytes, unit] = [bytes / 1024, unit + 1];
  return `${bytes >= 100 || !unit ? Math.round(bytes) : bytes.toFixed(1)} ${units[unit]}`;
}

// content: a text, or a blob, whose bytes stay as they are.
export function download(name, content) {
  const url = URL.createObjectURL(new Blob([content], { type: "text/plain" }));
  h("a", { href: url, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(url), 10000);
}

// text: what to copy, or what returns it.
export function copyButton(text, label = "Copy") {
  return h("button", {
    type: "button",
    onclick: async ({ currentTarget: button }) => {
      try {
        await navigator.clipboard.writeText(typeof text === "string" ? text : await text());
        button.textContent = "Copied";
      } catch {
        // Not on a page that came by plain http from another machine.
        button.textContent = "Select and copy it by hand";
      }
    },
  }, label);
}
