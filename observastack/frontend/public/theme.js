// Runs before the first paint, so that a pinned theme does not flash. Its own file: the policy allows no inline script.
try {
  const theme = localStorage.getItem("observastack.theme");
  if (theme === "light" || theme === "dark") document.documentElement.dataset.theme = theme;
} catch {
  // Storage is off: the system preference rules.
}
