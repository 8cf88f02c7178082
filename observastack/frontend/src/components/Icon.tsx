/** The icon set, drawn on a 16 px grid. Inline, so that an icon takes the colour of its text and needs no request. */

const paths = {
  search: <><circle cx="7" cy="7" r="4.5" /><path d="m10.5 10.5 3.5 3.5" /></>,
  metrics: <><path d="M2 2.5v11h12" /><path d="m4.5 10 3-3.5 2.5 2 3.5-4.5" /></>,
  bell: <path d="M4 11.5V7a4 4 0 0 1 8 0v4.5M2.5 11.5h11M6.8 14h2.4" />,
  "bell-off": <path d="M4 11.5V7a4 4 0 0 1 6.5-3.1M12 7v4.5M2.5 11.5h9M6.8 14h2.4M2.5 2.5l11 11" />,
  insights: <path d="M3 13.5V9M6.4 13.5V5M9.7 13.5v-6M13 13.5v-11" />,
  shield: <><path d="M8 1.8 13 4v4c0 3-2 5.2-5 6.2C5 13.2 3 11 3 8V4z" /><path d="m6 8 1.5 1.5L10.2 6.6" /></>,
  keyboard: <><rect x="1.8" y="4" width="12.4" height="8" rx="1.5" /><path d="M4.5 7h.1M7 7h.1M9.5 7h.1M11.8 7h.1M5.5 9.7h5" /></>,
  theme: <><circle cx="8" cy="8" r="3" /><path d="M8 1.5v1.5M8 13v1.5M1.5 8H3M13 8h1.5M3.4 3.4l1 1M11.6 11.6l1 1M12.6 3.4l-1 1M4.4 11.6l-1 1" /></>,
  "sign-out": <path d="M6.5 2.5h-3a1 1 0 0 0-1 1v9a1 1 0 0 0 1 1h3M10 5l3 3-3 3M13 8H6.5" />,
  lock: <><rect x="3.5" y="7" width="9" height="6.5" rx="1.5" /><path d="M5.5 7V5a2.5 2.5 0 0 1 5 0v2" /></>,
  close: <path d="m4 4 8 8M12 4l-8 8" />,
  plus: <path d="M8 3v10M3 8h10" />,
  minus: <path d="M3 8h10" />,
  check: <path d="m3.5 8.5 3 3 6-7" />,
  "check-circle": <><circle cx="8" cy="8" r="6" /><path d="m5.5 8.2 1.8 1.8 3.3-3.8" /></>,
  bolt: <path d="M9 1.8 3.5 9H8l-1 5.2L12.5 7H8z" />,
  user: <><circle cx="8" cy="5.5" r="2.8" /><path d="M2.8 13.7c.6-2.6 2.6-4 5.2-4s4.6 1.4 5.2 4" /></>,
  users: <><circle cx="6" cy="5.5" r="2.5" /><path d="M1.5 13c.5-2.3 2.2-3.6 4.5-3.6s4 1.3 4.5 3.6M10.5 3.2a2.5 2.5 0 0 1 0 4.6M12 9.7c1.4.5 2.2 1.7 2.5 3.3" /></>,
  clock: <><circle cx="8" cy="8" r="6" /><path d="M8 4.5V8l2.5 1.5" /></>,
  history: <><path d="M2.5 8A5.5 5.5 0 1 0 4.3 4L2.5 5.5M2.5 2.5v3h3" /><path d="M8 5v3.2l2 1.3" /></>,
  "chevron-down": <path d="m3.5 6 4.5 4.5L12.5 6" />,
  "chevron-up": <path d="m3.5 10 4.5-4.5L12.5 10" />,
  "chevron-left": <path d="M10 3.5 5.5 8l4.5 4.5" />,
  "chevron-right": <path d="m6 3.5 4.5 4.5L6 12.5" />,
  play: <path d="M5 3.5v9l7-4.5z" />,
  pause: <path d="M5.5 3.5v9M10.5 3.5v9" />,
  warning: <><path d="M8 2.2 14.5 13.5h-13z" /><path d="M8 6.5v3M8 11.6v.1" /></>,
  error: <><circle cx="8" cy="8" r="6" /><path d="M8 5v3.5M8 11v.1" /></>,
  info: <><circle cx="8" cy="8" r="6" /><path d="M8 7.5V11M8 5v.1" /></>,
  refresh: <path d="M13.5 8A5.5 5.5 0 1 1 11.7 4L13.5 5.5M13.5 2.5v3h-3" />,
  filter: <path d="M2 3.5h12M4.5 8h7M6.5 12.5h3" />,
  wrap: <path d="M2.5 3.5h11M2.5 8h8.5a2.2 2.2 0 0 1 0 4.5H8M9.5 11 8 12.5 9.5 14M2.5 12.5h2" />,
  link: <path d="M6.8 9.2a2.6 2.6 0 0 0 3.7 0l2.2-2.2A2.6 2.6 0 0 0 9 3.3l-.8.8M9.2 6.8a2.6 2.6 0 0 0-3.7 0L3.3 9A2.6 2.6 0 0 0 7 12.7l.8-.8" />,
  download: <path d="M8 2.5v7.5M5 7l3 3 3-3M2.5 13.5h11" />,
  trace: <path d="M2 3.5h7M5 8h6M8 12.5h6" strokeWidth="2.4" />,
  logs: <path d="M3 3.5h10M3 6.5h7M3 9.5h10M3 12.5h5" />,
  copy: <><rect x="5.5" y="5.5" width="8" height="8" rx="1.5" /><path d="M10.5 5.5v-2A1 1 0 0 0 9.5 2.5h-6a1 1 0 0 0-1 1v6a1 1 0 0 0 1 1h2" /></>,
  more: <path d="M3.5 8h.1M8 8h.1M12.5 8h.1" strokeWidth="2.2" />,
};

export type IconName = keyof typeof paths;

/** `small` is 14 px, for use inside controls. Always decorative: the text beside it or the label of its button says what it means. */
export function Icon({ name, small = false }: { name: IconName; small?: boolean }) {
  return (
    <svg className={small ? "ic sm" : "ic"} viewBox="0 0 16 16" aria-hidden="true">
      {paths[name]}
    </svg>
  );
}
