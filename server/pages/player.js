"use strict";
(() => {
  const audio = document.querySelector("audio");
  const seek = document.querySelector(".seek");
  const wave = document.querySelector(".wave");
  const play = document.querySelector(".play");
  const chapters = [...document.querySelectorAll("[data-seconds]")];
  const total = Number(seek.max);
  const clock = (seconds) => `${Math.floor(seconds / 60)}:${String(Math.floor(seconds % 60)).padStart(2, "0")}`;

  const show = () => {
    const now = audio.currentTime;
    wave.style.setProperty("--played", `${Math.min(100, (100 * now) / total)}%`);
    seek.value = now;
    seek.setAttribute("aria-valuetext", `${clock(now)} of ${clock(total)}`);
    const current = chapters.findLast((chapter) => now >= chapter.dataset.seconds);
    for (const chapter of chapters) {
      if (chapter === current && now > 0) chapter.setAttribute("aria-current", "true");
      else chapter.removeAttribute("aria-current");
    }
  };
  const go = (seconds) => {
    audio.currentTime = Math.max(0, Math.min(total, seconds));
    show();
  };

  seek.hidden = play.hidden = false;
  seek.addEventListener("input", () => go(Number(seek.value)));
  seek.addEventListener("keydown", (event) => {
    const step = { ArrowLeft: -5, ArrowDown: -5, ArrowRight: 5, ArrowUp: 5, PageDown: -15, PageUp: 15 }[event.key];
    if (step) {
      event.preventDefault();
      go(audio.currentTime + step);
    }
  });
  play.addEventListener("click", () => (audio.paused ? audio.play().catch(() => {}) : audio.pause()));
  for (const chapter of chapters) {
    chapter.addEventListener("click", (event) => {
      if (event.ctrlKey || event.metaKey || event.shiftKey) return;
      event.preventDefault();
      go(Number(chapter.dataset.seconds));
      audio.play().catch(() => {});
    });
  }
  for (const name of ["play", "pause", "ended"]) {
    audio.addEventListener(name, () => {
      document.body.classList.toggle("playing", !audio.paused);
      play.setAttribute("aria-label", audio.paused ? "Play" : "Pause");
    });
  }
  for (const name of ["timeupdate", "seeked", "loadedmetadata"]) audio.addEventListener(name, show);
  const start = /^#t=(\d+(?:\.\d+)?)$/.exec(location.hash);
  if (start) go(Number(start[1]));
})();
