// Before anything is drawn: which view and which colours the address asks for.
{
  const asked = new URLSearchParams(location.hash.slice(1));
  const view = asked.get("view") || (asked.has("q") ? "question" : "run");
  const root = document.documentElement;
  root.dataset.view = ["question", "compare"].includes(view) ? view : "run";
  let theme = asked.get("theme");
  try {
    theme = theme || sessionStorage.getItem("sage-vqa theme");
  } catch (error) {
    // A page from the disk may have no storage: the system's colours, then.
  }
  if (theme === "light" || theme === "dark") root.dataset.theme = theme;
}
