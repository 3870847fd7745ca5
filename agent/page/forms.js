// Fields of forms, and the agent's refusals at them.

import { act, complain } from "./act.js";
import { h } from "./dom.js";

// What a host boots from, in the orders that are of use.
export const BOOT_ORDERS = ["disk, network", "network, disk", "cdrom, disk, network", "disk", "network"];

let made = 0;

export function select(values, attributes = {}) {
  return h("select", attributes, values.map((each) => h("option", {}, each)));
}

// Returns a field with its label, and room for what is wrong with it. note: said below it.
export function field(label, input, note) {
  input.id ||= `field-${(made += 1)}`;
  const why = h("div", { class: "why", id: `${input.id}-why` });
  const more = note && h("small", { id: `${input.id}-note` }, note);
  input.setAttribute("aria-describedby", `${more ? `${more.id} ` : ""}${why.id}`);
  return { box: h("div", { class: "field" }, h("label", { for: input.id }, label), input, more, why), input, why, value: () => input.value.trim() };
}

export function check(label, checked = false) {
  const input = h("input", { type: "checkbox", id: `field-${(made += 1)}`, checked });
  return { box: h("label", { class: "check", for: input.id }, input, label), input };
}

// Returns a number, or what else was written, which the agent refuses in its own words.
export function number(text) {
  return /^\s*-?\d+(\.\d+)?\s*$/.test(text) ? Number(text) : text.trim();
}

export function numbers(text) {
  return text.trim() ? text.split(",").map(number) : [];
}

// Marks the fields that a refusal names, in its words; returns what it says of others. fields: by the names that
// the agent has for them. Without an error none is marked.
export function mark(fields, error) {
  const errors = error?.told.errors ?? [];
  const left = new Set(errors);
  let first;
  for (const [name, { input, why }] of Object.entries(fields)) {
    const found = errors.filter(({ field: of }) => of === name || of.startsWith(`${name}[`) || of.startsWith(`${name}.`));
    found.forEach((each) => left.delete(each));
    why.textContent = found.map(({ field: of, detail }) => (of === name ? detail : `${of}: ${detail}`)).join("; ");
    if (found.length) input.setAttribute("aria-invalid", "true");
    else input.removeAttribute("aria-invalid");
    if (found.length) first ??= input;
  }
  first?.focus();
  if (!error) return "";
  return errors.length ? [...left].map((each) => `${each.field}: ${each.detail}`).join("; ") : error.message;
}

// Returns a form of one field and its button. name: of the field, as the agent has it. does, after: as of `act`.
export function oneField(name, { box, input, why }, label, does, after) {
  const fields = { [name]: { input, why } };
  return h("form", {
    class: "row",
    novalidate: true,
    onsubmit: async (event) => {
      event.preventDefault();
      mark(fields);
      await act(event.target.querySelector("button"), does, after, (error) => {
        const rest = mark(fields, error);
        if (rest) complain(rest);
      });
    },
  }, box, h("button", {}, label));
}
