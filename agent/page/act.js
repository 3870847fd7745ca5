// What a button does: a question first, the change, and what went wrong with it.

import { ended, Problem, TokenNeeded } from "./api.js";
import { h } from "./dom.js";

// Says what went wrong, above the view, until somebody has read it.
export function complain(...what) {
  const close = () => h("button", { type: "button", onclick: () => {
    complain();
    document.getElementById("view").focus({ preventScroll: true });
  } }, "Close");
  document.getElementById("said").replaceChildren(...(what.length ? [h("span", {}, what), close()] : []));
}

// Makes the change of a button, which says how far it is. does: answers the operation. after: reads the
// view anew; it is given whether the change was made. tell: says what the agent has refused.
export async function act(button, does, after, tell = (error) => complain(error.message)) {
  if (button.ariaBusy === "true") return;
  complain();
  button.ariaBusy = "true";
  let done = false;
  try {
    const end = await ended((await does()).id, (now, lost) => {
      const phase = lost ?? (now.status === "waiting" ? "waits for its turn" : (now.phase ?? now.plan.steps[now.steps_done]?.does ?? ""));
      button.dataset.phase = phase.length > 70 ? `${phase.slice(0, 69)}…` : phase;
    });
    done = end.status === "done";
    if (!done) complain(`${end.does}: ${end.error?.detail ?? end.status} `, h("a", { href: `#/operations/${end.id}` }, "What was run"));
  } catch (error) {
    // Nothing can be read anew either.
    if (error instanceof TokenNeeded) return;
    if (!(error instanceof Problem)) throw error;
    tell(error);
  } finally {
    button.ariaBusy = null;
    delete button.dataset.phase;
  }
  await after?.(done).catch(() => {});
}

// Asks before something is done; answers whether to do it. lost: says what is lost by it.
export function confirm(title, lost, does, danger = true) {
  const dialog = document.getElementById("dialog");
  return new Promise((resolve) => {
    let sure = false;
    const cancel = h("button", { type: "button", onclick: () => dialog.close() }, "Cancel");
    dialog.replaceChildren(h("form", {
      class: "fields",
      onsubmit: (event) => {
        event.preventDefault();
        sure = true;
        dialog.close();
      },
    }, h("h2", { id: "dialog-title" }, title), lost, h("div", { class: "row end" }, cancel, h("button", { class: danger ? "danger" : "main" }, does))));
    // Escape too.
    dialog.onclose = () => resolve(sure);
    dialog.showModal();
    (dialog.querySelector("input") ?? cancel).focus();
  });
}
