"use strict";
(() => {
  const root = document.getElementById("audit");
  const place = "sage-vqa audit " + root.dataset.sample;
  const cards = [...root.querySelectorAll("article")];
  const forms = new Map(cards.map((card) => [card.dataset.id, card.querySelector("form")]));

  const verdictOf = (id, form) => {
    const said = new FormData(form);
    return {
      id,
      verdict: said.get("verdict"),
      question: said.get("question"),
      answer: said.get("answer"),
      note: said.get("note"),
    };
  };
  const verdicts = () => [...forms].map(([id, form]) => verdictOf(id, form));
  const tell = () => {
    const done = verdicts().filter((one) => one.verdict).length;
    document.getElementById("count").textContent = done + " of " + forms.size + " have a verdict";
  };
  const keep = () => {
    try {
      localStorage.setItem(place, JSON.stringify(verdicts()));
    } catch (error) {
      // A private window keeps nothing: the file does.
    }
    tell();
  };
  const takeBack = () => {
    let kept = [];
    try {
      kept = JSON.parse(localStorage.getItem(place)) || [];
    } catch (error) {
      return;
    }
    for (const one of kept) {
      const form = forms.get(one.id);
      if (!form) continue;
      for (const name of ["verdict", "question", "answer", "note"]) {
        if (one[name] !== null) form.elements[name].value = one[name];
      }
    }
  };
  const save = () => {
    const data = { kind: "sage-vqa audit", sample: root.dataset.sample };
    data.verdicts = verdicts().filter((one) => one.verdict);
    const link = document.createElement("a");
    const file = new Blob([JSON.stringify(data, null, 1)], { type: "application/json" });
    link.href = URL.createObjectURL(file);
    link.download = "verdicts-" + root.dataset.sample + ".json";
    link.click();
    URL.revokeObjectURL(link.href);
  };

  takeBack();
  tell();
  root.addEventListener("input", keep);
  root.addEventListener("submit", (event) => event.preventDefault());
  document.getElementById("save").addEventListener("click", save);
})();
