// What a button does: a question first, then the change, and what went wrong with it.

import { ended, Problem, TokenNeeded } from "./api.js";
import { h } from "./dom.js";

// Shows what went wrong above the view, until somebody closes it; without anything, closes it.
export function complain(...what) {
  const close = () => h("button", { type: "button", onclick: () => {
    complain();
    document.getElementById("view").focus({ preventScroll: true });
  } }, "Close");
  document.getElementById("said").replaceChildren(...(what.length ? [h("span", {}, what), close()] : []));
}

// Makes the change of a button, which shows its progress. does: begins the change, and returns its operation.
// after: an async function that reads the view again, called with whether the change was made. tell: shows a refusal.
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
    // Nothing can be read again either.
    if (error instanceof TokenNeeded) return;
    if (!(error instanceof Problem)) throw error;
    tell(error);
  } finally {
    button.ariaBusy = null;
    delete button.dataset.phase;
  }
  // The view itself says when it cannot be read.
  await after(done).catch(() => {});
}

// Returns a button that makes a change. what: all that it does, where only the button is read out. asks: returns
// what is lost by it, which somebody has to agree to first. does, after: as of `act`.
export function changeButton(label, what, does, after, { asks, danger = false } = {}) {
  const onclick = async ({ currentTarget: button }) => {
    if (button.ariaBusy === "true") return;
    if (asks) {
      const lost = await asks();
      // The view may have been left meanwhile.
      if (!button.isConnected || !(await confirm(`${what}?`, lost, label))) return;
    }
    await act(button, does, after);
  };
  return h("button", { type: "button", id: what, "aria-label": what, class: danger && "danger", onclick }, label);
}

// Asks before something is done; returns whether to do it. lost: says what is lost by it. does: the label of
// the button that agrees.
function confirm(title, lost, does) {
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
    }, h("h2", { id: "dialog-title" }, title), lost, h("div", { class: "row end" }, cancel, h("button", { class: "danger" }, does))));
    // Escape closes it too.
    dialog.onclose = () => resolve(sure);
    dialog.showModal();
    (dialog.querySelector("input") ?? cancel).focus();
  });
}
