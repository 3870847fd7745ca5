// The power buttons of a host.

import { change, get, host as path } from "./api.js";
import { confirm, h } from "./dom.js";

const VERBS = {
  start: { label: "Start", on: ["shut off"] },
  shutdown: { label: "Shut down", on: ["running", "idle"], lost: "Its power button is pressed. Its system may take its time, or heed it not." },
  reboot: { label: "Reboot", on: ["running", "idle"], lost: "It is asked to reboot." },
  reset: { label: "Reset", on: ["running", "idle", "paused"], lost: "It starts anew at once. What its system has not written to disk yet is lost." },
  stop: { label: "Stop", on: ["running", "idle", "paused", "in shutdown", "crashed", "pmsuspended"], lost: "It goes off at once, as if its power were cut. What its system has not written to disk yet is lost." },
};

// Waits until an operation has ended; answers it.
export async function ended(operation) {
  for (;;) {
    const now = await get(`/operations/${operation.id}`);
    if (!["running", "waiting"].includes(now.status)) return now;
    await new Promise((resolve) => setTimeout(resolve, 400));
  }
}

// Says what went wrong, above the view, until somebody has read it.
export function complain(...what) {
  const said = document.getElementById("said");
  said.replaceChildren(...(what.length ? [h("span", {}, what), h("button", { type: "button", onclick: () => complain() }, "Close")] : []));
}

// Does something that a button is for, and says what went wrong with it.
export async function act(button, does, after) {
  complain();
  button.disabled = true;
  try {
    const operation = await does();
    const end = operation?.status ? await ended(operation) : null;
    if (end && end.status !== "done") complain(`${end.does}: ${end.error?.detail ?? end.status} `, h("a", { href: `#/operations/${end.id}` }, "What was run"));
  } catch (error) {
    complain(error.message);
  } finally {
    button.disabled = false;
  }
  await after?.();
}

export function powerButtons(name, state, update, all = true) {
  const verbs = Object.entries(VERBS).filter(([verb, { on }]) => on.includes(state) && (all || ["start", "shutdown", "stop"].includes(verb)));
  return h("div", { class: "row" }, verbs.map(([verb, { label, lost }]) => h("button", {
    type: "button",
    id: `${verb} ${name}`,
    "aria-label": `${label} ${name}`,
    onclick: async (event) => {
      const button = event.currentTarget;
      if (lost && !(await confirm(`${label} ${name}?`, h("p", {}, lost), label))) return;
      await act(button, () => change("PUT", path(name, `/${verb}`)), update);
    },
  }, label)));
}
