// Asks every two seconds whether anything has moved, and then puts what has changed into the page.
"use strict";
(() => {
  const EVERY = 2000;
  const pulse = document.getElementById("pulse");
  let version = null;
  let lost = 0;
  let minute = 0;
  let running = false;

  function say(words, isWrong) {
    if (pulse.textContent !== words) pulse.textContent = words;
    document.body.classList.toggle("lost", isWrong);
  }

  function take(fresh) {
    const main = document.getElementById("main");
    const next = fresh.getElementById("main");
    const here = document.activeElement && document.activeElement.id;
    const open = new Set([...main.querySelectorAll("details[open]")].map((one) => one.id));
    next.querySelectorAll("details").forEach((one) => { one.open = open.has(one.id); });
    const done = main.querySelector(".done");
    if (done && !next.querySelector(".done")) next.prepend(done.cloneNode(true));
    if (main.innerHTML === next.innerHTML) return;
    main.replaceChildren(...next.childNodes);
    document.title = fresh.title;
    const again = here && here !== "main" && document.getElementById(here);
    if (again) again.focus({ preventScroll: true });
  }

  async function look() {
    const answer = await fetch("/page/version", {
      headers: version ? { "If-None-Match": version } : {}, cache: "no-store", credentials: "same-origin",
    });
    if (answer.status === 401) { location.reload(); return; }
    const now = Math.floor(Date.now() / 60000);
    const moved = answer.status === 200 && version !== null;
    if (answer.status === 200) version = answer.headers.get("ETag");
    else if (answer.status !== 304) throw new Error(String(answer.status));
    if (moved || now !== minute || lost) {
      const page = await fetch(location.href, { cache: "no-store", credentials: "same-origin" });
      if (page.redirected && new URL(page.url).pathname === "/sign-in") { location.reload(); return; }
      if (page.ok) take(new DOMParser().parseFromString(await page.text(), "text/html"));
      else if (page.status >= 500) throw new Error(String(page.status));
    }
    minute = now;
    lost = 0;
    say("Live: changes show within two seconds", false);
  }

  async function beat() {
    if (running || document.hidden) return;
    running = true;
    try {
      await look();
    } catch {
      lost = lost || Date.now();
      const since = new Date(lost).toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" });
      say(`Not connected since ${since}: what you see is from then`, true);
    } finally {
      running = false;
    }
  }

  minute = Math.floor(Date.now() / 60000);
  setInterval(beat, EVERY);
  document.addEventListener("visibilitychange", beat);
  beat();
})();
