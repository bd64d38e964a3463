// Keeps a page up to date: where the ledger changed, the page is asked for again, and its content exchanged if it
// differs. Without this script the page says when it was made, and can be loaded again by hand.
"use strict";

(() => {
  const live = document.getElementById("live");
  const main = document.getElementById("main");
  if (!live || !main || !window.EventSource || !window.fetch) return;

  // A busy ledger changes all the time; the page is asked for again no sooner than this after the last time, in ms.
  const PAUSE_LEAST = 2000;
  // Nor sooner than so many times what that took: slow answers must not make a slow server slower.
  const PAUSE_SHARE = 10;
  // When a stream is tried again that was refused, in ms.
  const RETRY_AFTER = 30000;

  let source = null; // the stream, while there is one
  let isPaused = false; // whether the reader wants the page to stay as it is
  let retry = 0;
  let timer = 0; // of a refresh that is to come
  let isRefreshing = false;
  let isStale = false; // whether something changed while a refresh was on its way
  let notBefore = 0;

  // What the reader sees of all this. It is announced only when it changes, and politely.
  const dot = document.createElement("span");
  dot.className = "dot";
  dot.setAttribute("aria-hidden", "true");
  const words = document.createElement("span");
  words.setAttribute("role", "status");
  const button = document.createElement("button");
  button.type = "button";
  button.className = "quiet";
  live.append(dot, words, button);

  function tell(text, isOn) {
    if (words.textContent !== text) words.textContent = text;
    live.classList.toggle("on", isOn);
    button.textContent = isPaused ? "Keep up to date" : "Pause";
  }

  function open() {
    close();
    if (isPaused || document.hidden) return;
    source = new EventSource(live.dataset.events);
    source.addEventListener("ledger", () => {
      tell("Up to date", true);
      refreshSoon();
    });
    source.addEventListener("away", () => tell("The ledger can\u2019t be reached; the figures stay as they were", false));
    source.addEventListener("error", () => {
      // The browser opens it again by itself, unless it was refused.
      if (source.readyState !== EventSource.CLOSED) return;
      tell("Not kept up to date at present", false);
      retry = setTimeout(open, RETRY_AFTER);
      // The session may have ended, and then the page itself says so.
      refreshSoon();
    });
  }

  function close() {
    clearTimeout(retry);
    clearTimeout(timer);
    timer = 0;
    if (source) source.close();
    source = null;
  }

  function refreshSoon() {
    if (isRefreshing) {
      isStale = true;
      return;
    }
    if (timer) return;
    timer = setTimeout(refresh, Math.max(0, notBefore - Date.now()));
  }

  async function refresh() {
    timer = 0;
    isRefreshing = true;
    isStale = false;
    const began = Date.now();
    try {
      const answer = await fetch(location.href, { headers: { Accept: "text/html" }, cache: "no-store" });
      if (answer.redirected || answer.status === 401 || answer.status === 404) {
        // Signed out, or gone: the server shows what is so.
        location.reload();
        return;
      }
      if (answer.ok) take(await answer.text());
    } catch {
      tell("The server can\u2019t be reached; the figures stay as they were", false);
    } finally {
      isRefreshing = false;
      notBefore = Date.now() + Math.max(PAUSE_LEAST, PAUSE_SHARE * (Date.now() - began));
      if (isStale && source) refreshSoon();
    }
  }

  // Puts a new page's content in place of this one's, unless it is the same.
  function take(text) {
    const page = new DOMParser().parseFromString(text, "text/html");
    const next = page.getElementById("main");
    const made = page.getElementById("made");
    if (!next || !made) return;
    document.getElementById("made").replaceWith(made);
    if (next.dataset.version === main.dataset.version) return;
    const restore = remembered();
    main.replaceChildren(...next.childNodes);
    main.dataset.version = next.dataset.version;
    document.title = page.title;
    restore();
  }

  // What the reader did with the page: what is open, scrolled, typed and focused. Gives back what restores it.
  function remembered() {
    const open = [...main.querySelectorAll("details[open][id]")].map((one) => one.id);
    const scrolled = [...main.querySelectorAll(".scroll")]
      .filter((one) => one.scrollLeft)
      .map((one) => [one.getAttribute("aria-label"), one.scrollLeft]);
    const typed = [...main.querySelectorAll("input[id]")]
      .filter((one) => one.value !== one.defaultValue)
      .map((one) => [one.id, one.value]);
    const focus = placeOf(document.activeElement);
    const [x, y] = [window.scrollX, window.scrollY];
    return () => {
      for (const id of open) document.getElementById(id)?.setAttribute("open", "");
      for (const one of main.querySelectorAll(".scroll")) {
        const known = scrolled.find(([label]) => label === one.getAttribute("aria-label"));
        if (known) one.scrollLeft = known[1];
      }
      for (const [id, value] of typed) {
        const input = document.getElementById(id);
        if (input) input.value = value;
      }
      focus();
      window.scrollTo({ left: x, top: y, behavior: "instant" });
    };
  }

  // Where the focus is, in words that hold for the new content too: an id, a link's or a region's own, or else which
  // one of its kind it is in its part of the page.
  function placeOf(element) {
    if (!element || !main.contains(element)) return () => {};
    const selector = element.id
      ? `#${CSS.escape(element.id)}`
      : element.matches("a[href]")
        ? `a[href="${CSS.escape(element.getAttribute("href"))}"]`
        : element.matches("summary") && element.parentElement.id
          ? `#${CSS.escape(element.parentElement.id)} > summary`
          : element.hasAttribute("aria-label")
            ? `[aria-label="${CSS.escape(element.getAttribute("aria-label"))}"]`
            : `#${CSS.escape(element.closest("[id]").id)} ${element.localName}`;
    const same = [...main.querySelectorAll(selector)].indexOf(element);
    const selection = element.matches("input[type=search], input[inputmode]")
      ? [element.selectionStart, element.selectionEnd]
      : null;
    return () => {
      // What had the focus may be gone; then the content has it, rather than nothing.
      const again = main.querySelectorAll(selector)[same] || main;
      again.focus({ preventScroll: true });
      if (selection && again !== main) again.setSelectionRange(...selection);
    };
  }

  button.addEventListener("click", () => {
    isPaused = !isPaused;
    if (isPaused) {
      close();
      tell("Paused", false);
    } else {
      tell("Connecting", false);
      open();
    }
  });
  // Nobody looks: nothing is kept up to date. Whoever comes back, by a tab or by the way back, finds it so at once.
  document.addEventListener("visibilitychange", () => (document.hidden ? close() : open()));
  addEventListener("pagehide", close);
  addEventListener("pageshow", (event) => {
    if (event.persisted) open();
  });
  tell("Connecting", false);
  open();
})();
