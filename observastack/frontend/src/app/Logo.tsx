export function Logo() {
  return (
    <svg viewBox="0 0 22 22" aria-hidden="true">
      <rect x="2" y="3" width="12" height="4" rx="1.5" fill="var(--accent)" />
      <rect x="6" y="9" width="14" height="4" rx="1.5" fill="var(--s2)" />
      <rect x="11" y="15" width="7" height="4" rx="1.5" fill="var(--s3)" />
    </svg>
  );
}
