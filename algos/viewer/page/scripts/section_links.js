// Links from a section into another one: the address changes, and the page goes there.
document.addEventListener("click", (event) => {
  const link = event.target instanceof Element && event.target.closest('#run-view section a[href*="section="]');
  if (!link || event.ctrlKey || event.metaKey || event.shiftKey) return;
  const name = new URLSearchParams(link.hash.slice(1)).get("section");
  const place = document.getElementById(name);
  if (place && place.tagName === "SECTION") setTimeout(() => place.scrollIntoView(), 0);
});
