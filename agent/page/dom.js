// Elements. What comes from the agent is only ever set as text, never as markup.

const SVG = "http://www.w3.org/2000/svg";

function fill(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (value === undefined || value === null || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.flat(9).filter((child) => child !== null && child !== undefined && child !== false));
  return element;
}

export function h(tag, attributes = {}, ...children) {
  return fill(document.createElement(tag), attributes, children);
}

export function svg(tag, attributes = {}, ...children) {
  return fill(document.createElementNS(SVG, tag), attributes, children);
}

// Replaces what is in an element, unless that would be the same: focus, selection and the place that
// somebody has scrolled to stay.
export function show(element, ...children) {
  const next = document.createElement("div");
  next.append(...children.flat(9).filter(Boolean));
  if (element.innerHTML === next.innerHTML) return;
  const focused = element.contains(document.activeElement) ? document.activeElement.id : "";
  element.replaceChildren(...next.childNodes);
  if (focused) document.getElementById(focused)?.focus();
}

const STATES = {
  good: ["running", "active", "done", "ok"],
  bad: ["crashed", "failed", "failing", "unsettled", "undone"],
  warn: ["paused", "in shutdown", "pmsuspended", "waiting", "inactive", "installing"],
};

export function state(word) {
  const kind = Object.keys(STATES).find((each) => STATES[each].includes(word));
  return h("span", { class: `state ${kind ?? ""}` }, word);
}

export function table(caption, heads, rows, empty = "none") {
  const label = (head) => (typeof head === "string" ? head : head.label);
  return h(
    "div",
    { class: "scroll" },
    h(
      "table",
      { class: "stack" },
      caption && h("caption", {}, caption),
      h("thead", {}, h("tr", {}, heads.map((head) => h("th", { scope: "col", class: head.number && "number" }, label(head))))),
      h(
        "tbody",
        {},
        rows.length
          ? rows.map((cells) =>
              h("tr", {}, cells.map((cell, i) =>
                h(i ? "td" : "th", { scope: i ? null : "row", "data-label": i ? label(heads[i]) : null, class: heads[i].number && "number" }, cell))))
          : h("tr", {}, h("td", { colspan: heads.length, class: "soft" }, empty)),
      ),
    ),
  );
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

// Asks before something is done; answers whether to do it.
export function confirm(title, lost, does, danger = true) {
  const dialog = document.getElementById("dialog");
  return new Promise((resolve) => {
    const end = (answer) => {
      dialog.close();
      resolve(answer);
    };
    dialog.replaceChildren(
      h("h2", { id: "dialog-title" }, title),
      h("div", {}, lost),
      h("div", { class: "row" },
        h("button", { type: "button", autofocus: true, onclick: () => end(false) }, "Cancel"),
        h("button", { type: "button", class: danger ? "danger" : "main", onclick: () => end(true) }, does)),
    );
    dialog.oncancel = () => resolve(false);
    dialog.showModal();
  });
}

export function download(name, text) {
  const url = URL.createObjectURL(new Blob([text], { type: "text/plain" }));
  h("a", { href: url, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(url), 10000);
}

export function copyButton(text) {
  const button = h("button", {
    type: "button",
    onclick: async () => {
      try {
        await navigator.clipboard.writeText(text);
        button.textContent = "Copied";
      } catch {
        button.textContent = "Select and copy it by hand";
      }
    },
  }, "Copy");
  return button;
}
