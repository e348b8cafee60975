/* What the agent desktop does in the browser alone: clocks tick, keys press buttons, and an offer is heard and seen in the title.
   The server says by attributes what there is: on .d-desk data-now (its clock, ms), data-call (what the title is to say), data-sound. */
(() => {
  const TICK_MS = 250, TONE_EVERY_MS = 2500, BLINK_MS = 1000;
  let told = null, ahead = 0, title = null, audio = null, toned = 0;
  const now = () => Date.now() + ahead;
  const clock = (ms) => {
    const s = Math.max(0, Math.floor(ms / 1000));
    return `${Math.floor(s / 60)}:${String(s % 60).padStart(2, "0")}`;
  };
  const wantsSound = () => localStorage.getItem("dialerd_sound") !== "off";

  function wake() {
    audio ??= new AudioContext();
    if (audio.state === "suspended") audio.resume();
  }
  function tone() {
    if (!audio || audio.state !== "running") return;
    [[0, 660], [0.18, 880]].forEach(([after, pitch]) => {
      const from = audio.currentTime + after, voice = audio.createOscillator(), loud = audio.createGain();
      voice.frequency.value = pitch;
      loud.gain.setValueAtTime(0.0001, from);
      loud.gain.exponentialRampToValueAtTime(0.2, from + 0.02);
      loud.gain.exponentialRampToValueAtTime(0.0001, from + 0.16);
      voice.connect(loud).connect(audio.destination);
      voice.start(from);
      voice.stop(from + 0.17);
    });
    document.documentElement.dataset.tones = Number(document.documentElement.dataset.tones ?? 0) + 1;
  }
  function tick() {
    const desk = document.querySelector(".d-desk");
    if (!desk) return;
    if (desk.dataset.now !== told) {
      told = desk.dataset.now;
      ahead = Number(told) - Date.now();
    }
    for (const each of desk.querySelectorAll(".d-clock")) {
      const { until, since, span } = each.dataset;
      each.textContent = until ? clock(Number(until) - now() + 999) : since ? clock(now() - Number(since)) : "";
      if (span) {
        const left = Math.min(1, Math.max(0, (Number(until) - now()) / Number(span)));
        each.closest(".d-lead").style.setProperty("--d-left", until ? left : 0);
      }
    }
    const call = desk.dataset.call;
    if (call) {
      title ??= document.title;
      document.title = Math.floor(Date.now() / BLINK_MS) % 2 ? title : call;
    } else if (title !== null) {
      document.title = title;
      title = null;
    }
    const loud = Boolean(desk.dataset.sound) && wantsSound();
    if (!loud) toned = 0;
    else if (Date.now() - toned > TONE_EVERY_MS) {
      toned = Date.now();
      tone();
    }
    const silent = document.querySelector(".d-silent");
    if (silent) silent.hidden = !wantsSound() || (audio !== null && audio.state === "running");
    const box = document.querySelector(".d-sound input");
    if (box) box.checked = wantsSound();
  }
  const types = (target) => target.closest?.("input, textarea, select, [contenteditable=true]") !== null;
  document.addEventListener("keydown", (event) => {
    wake();
    if (event.repeat || event.ctrlKey || event.altKey || event.metaKey || types(event.target)) return;
    if (document.querySelector(".q-dialog, .q-menu")) return;
    const button = document.querySelector(`.d-desk [data-key="${CSS.escape(event.key.toLowerCase())}"]`);
    if (!button || button.offsetParent === null || button.disabled) return;
    event.preventDefault();
    button.click();
  });
  document.addEventListener("pointerdown", wake);
  document.addEventListener("change", (event) => {
    if (!event.target.matches(".d-sound input")) return;
    localStorage.setItem("dialerd_sound", event.target.checked ? "on" : "off");
    if (event.target.checked) tone();
  });
  setInterval(tick, TICK_MS);
})();
