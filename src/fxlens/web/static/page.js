// One sound at a time; before and after share a position; a click on a timeline plays that moment.
document.addEventListener("play", (event) => {
  const started = event.target;
  for (const other of document.querySelectorAll("audio")) {
    if (other === started || other.paused) continue;
    const together = started.dataset.together;
    if (together && other.dataset.together === together) started.currentTime = other.currentTime;
    other.pause();
  }
}, true);

document.addEventListener("click", (event) => {
  const cell = event.target.closest?.("[data-seek]");
  const player = cell && document.getElementById(cell.dataset.player);
  if (!player) return;
  player.currentTime = Number(cell.dataset.seek);
  player.play();
});
