// The snapshots of a host: taken, reverted to, deleted.

import { act, confirm } from "./act.js";
import { change, get, host as path } from "./api.js";
import { h, show, state, table, time } from "./dom.js";
import { field, oneField } from "./forms.js";

// Answers the element, and what reads it anew. after: reads the host anew.
export function snapshots(name, writes, after) {
  const list = h("div");
  const one = (snapshot) => path(name, `/snapshots/${encodeURIComponent(snapshot)}`);
  const revert = async (button, each) => {
    const then = each.state === "running" ? "What runs on it now is replaced by what ran then." : "It is off then.";
    const lost = [h("p", {}, "All that was written to its disks since ", time(each.created), " is lost."), h("p", {}, then)];
    if (await confirm(`Revert ${name} to ${each.name}?`, lost, "Revert")) await act(button, () => change("PUT", `${one(each.name)}/revert`), after);
  };
  const remove = async (button, each) => {
    const lost = h("p", {}, "Nobody can go back to it then. The host stays as it is.");
    if (await confirm(`Delete snapshot ${each.name}?`, lost, "Delete")) await act(button, () => change("DELETE", one(each.name)), after);
  };
  const buttons = (each) => h("div", { class: "row" },
    h("button", { type: "button", id: `revert ${each.name}`, "aria-label": `Revert to ${each.name}`, onclick: ({ currentTarget }) => revert(currentTarget, each) }, "Revert"),
    h("button", { type: "button", id: `forget ${each.name}`, class: "danger", "aria-label": `Delete snapshot ${each.name}`, onclick: ({ currentTarget }) => remove(currentTarget, each) }, "Delete"));
  const called = field("New snapshot", h("input", { id: "snapshot-name", size: 18, autocomplete: "off" }));
  const take = () => oneField("snapshot", called, "Take it", () => change("POST", one(called.input.value.trim() || " ")), async (done) => {
    if (done) called.input.value = "";
    await after();
  });
  const heads = ["name", "state", "made", ...(writes ? [{ label: "actions", quiet: true }] : [])];
  return {
    element: h("section", {}, h("h2", {}, "Snapshots"), list, writes && take()),
    update: async () => {
      const found = await get(path(name, "/snapshots"));
      show(list, found.length
        ? table("", heads, found.map((each) => [each.name, each.name, state(each.state), time(each.created), ...(writes ? [buttons(each)] : [])]))
        : h("p", { class: "soft" }, "There is none."));
      return found;
    },
  };
}
