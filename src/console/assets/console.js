// What pages do beyond plain HTML: keys, the time zone, the menu of a narrow screen. Every page works without it.
"use strict";
(() => {
  const zone = Intl.DateTimeFormat().resolvedOptions().timeZone;
  const cookie = "proofd_zone=" + encodeURIComponent(zone || "UTC");
  if (!document.cookie.split("; ").includes(cookie)) {
    document.cookie = cookie + "; Path=/; Max-Age=31536000; SameSite=Strict";
  }

  const narrow = matchMedia("(max-width: 60rem)");
  const menu = document.querySelector("details.menu");
  const fold = () => { if (menu) menu.open = !narrow.matches; };
  fold();
  narrow.addEventListener("change", fold);

  const sheet = document.getElementById("keys");
  for (const button of document.querySelectorAll("[data-keys]")) {
    button.hidden = false;
    button.addEventListener("click", () => sheet.showModal());
  }

  const typing = (target) => target.matches("input, textarea, select, [contenteditable]");
  const rows = () => [...document.querySelectorAll("[data-row]")];
  const step = (by) => {
    const all = rows();
    if (!all.length) return;
    const now = all.findIndex((row) => row.contains(document.activeElement));
    const next = all[Math.min(Math.max(now + by, 0), all.length - 1)];
    next.querySelector("a, input, button").focus();
  };
  const press = (element) => {
    element.click();
    // A choice leads to the field that goes with it.
    const then = element.dataset.then && document.querySelector(element.dataset.then);
    if (then) then.focus();
  };

  let go = false;
  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape" && typing(event.target)) { event.target.blur(); return; }
    if ((event.ctrlKey || event.metaKey) && event.key === "Enter" && event.target.form) {
      event.target.form.requestSubmit();
      return;
    }
    if (event.ctrlKey || event.metaKey || event.altKey || typing(event.target) || (sheet && sheet.open)) return;
    const key = event.key;
    if (go) {
      go = false;
      const there = document.querySelector(`[data-go="${CSS.escape(key)}"]`);
      if (there) { event.preventDefault(); there.click(); }
      return;
    }
    if (key === "g") { go = true; setTimeout(() => { go = false; }, 1500); return; }
    if (key === "?") { event.preventDefault(); if (sheet) sheet.showModal(); return; }
    if (key === "/") {
      const search = document.querySelector("[data-search]");
      if (search) { event.preventDefault(); search.focus(); search.select(); }
      return;
    }
    if (key === "j" || key === "k") { event.preventDefault(); step(key === "j" ? 1 : -1); return; }
    if (key === "Enter" && event.target !== document.body && event.target.id !== "main") return;
    const own = document.querySelector(`[data-key="${CSS.escape(key)}"]`);
    if (own) { event.preventDefault(); press(own); }
  });

  // One press is one request, even if the answer takes a while.
  document.addEventListener("submit", (event) => {
    if (event.defaultPrevented || event.target.method !== "post") return;
    if (event.target.dataset.sent) { event.preventDefault(); return; }
    event.target.dataset.sent = "1";
    setTimeout(() => { delete event.target.dataset.sent; }, 4000);
  });
})();
