// Keys of the whole page; never while a reader types, and never with a modifier of the browser.
const Keys = (() => {
  const bindings = [];

  // A key (as `KeyboardEvent.key`), what it does in words, the function, and when it works.
  const add = (key, words, act, when = () => true) => bindings.push({ key, words, act, when });

  const typing = (target) =>
    target instanceof Element && Boolean(target.closest("input, textarea, select, [contenteditable], dialog"));

  document.addEventListener("keydown", (event) => {
    if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey || typing(event.target)) return;
    const found = bindings.find((one) => one.key === event.key && one.when(event));
    if (!found) return;
    event.preventDefault();
    found.act(event);
  });

  return { add, bindings };
})();
