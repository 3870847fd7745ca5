// The snapshots of a host: taken, reverted to, deleted.

import { changeButton } from "./act.js";
import { change, get, hostPath, snapshotPath } from "./api.js";
import { h, show, state, table, time } from "./dom.js";
import { field, oneField } from "./forms.js";

// Returns the element, and what reads it again. after: reads the host again.
export function snapshots(name, writes, after) {
  const list = h("div");
  const revert = (each) => changeButton("Revert", `Revert to ${each.name}`, () => change("PUT", snapshotPath(name, each.name, "/revert")), after, {
    asks: () => [
      h("p", {}, "All that was written to its disks since ", time(each.created), " is lost."),
      h("p", {}, each.state === "running" ? "What runs on it now is replaced by what ran then." : "It is off then."),
    ],
  });
  const remove = (each) => changeButton("Delete", `Delete snapshot ${each.name}`, () => change("DELETE", snapshotPath(name, each.name)), after, {
    danger: true,
    asks: () => h("p", {}, "Nobody can go back to it then. The host stays as it is."),
  });
  const called = field("New snapshot", h("input", { id: "snapshot-name", size: 18, autocomplete: "off" }));
  const take = () => oneField("snapshot", called, "Take snapshot", () => change("POST", snapshotPath(name, called.value())), async (done) => {
    if (done) called.input.value = "";
    await after();
  });
  const columns = [
    { label: "name", cell: (each) => each.name },
    { label: "state", cell: (each) => state(each.state) },
    { label: "made", cell: (each) => time(each.created) },
    writes && { label: "actions", quiet: true, cell: (each) => h("div", { class: "row" }, revert(each), remove(each)) },
  ];
  return {
    element: h("section", {}, h("h2", {}, "Snapshots"), list, writes && take()),
    update: async () => {
      const found = await get(hostPath(name, "/snapshots"));
      show(list, found.length ? table("", columns, found, (each) => each.name) : h("p", { class: "soft" }, "There is none."));
      return found;
    },
  };
}
