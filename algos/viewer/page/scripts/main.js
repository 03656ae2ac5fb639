// The router: one view at a time, as the address says.
const Main = (() => {
  const VIEWS = {
    run: typeof RunPage === "undefined" ? null : RunPage,
    question: typeof QuestionView === "undefined" ? null : QuestionView,
    compare: typeof CompareView === "undefined" ? null : CompareView,
  };
  const container = (view) => document.getElementById(view === "run" ? "run-view" : `${view}-view`);
  let shown = null;

  function trouble(error) {
    const place = document.getElementById("trouble");
    place.textContent = error instanceof Error ? error.message : String(error);
    place.hidden = false;
  }

  async function show(state) {
    const moved = shown !== state.view;
    if (moved && shown && VIEWS[shown] && VIEWS[shown].hide) VIEWS[shown].hide(container(shown));
    shown = state.view;
    document.documentElement.dataset.view = state.view;
    try {
      if (state.view !== "run") await Data.ready;
      if (VIEWS[state.view] && shown === state.view) await VIEWS[state.view].show(container(state.view), state);
    } catch (error) {
      trouble(error);
    }
    if (moved) document.getElementById("content").focus({ preventScroll: true });
  }

  State.on(show);
  show(State.get());
  Data.ready.catch(trouble);
})();
