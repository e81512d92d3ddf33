/** Line icons on a 20-unit grid, in the colour of the text around them. */

import type { ComponentChildren } from 'preact';

function Icon({ children }: { readonly children: ComponentChildren }) {
  return (
    <svg
      viewBox="0 0 20 20"
      width="18"
      height="18"
      fill="none"
      stroke="currentColor"
      stroke-width="1.5"
      stroke-linecap="round"
      stroke-linejoin="round"
      aria-hidden="true"
    >
      {children}
    </svg>
  );
}

const draw = (path: string) => () => (
  <Icon>
    <path d={path} />
  </Icon>
);

export const Menu = draw('M3.5 6h13M3.5 10h13M3.5 14h8');
export const Pencil = draw('M4 16l.8-3.2 8.6-8.6a1.6 1.6 0 0 1 2.4 2.4l-8.6 8.6L4 16z');
export const NewChat = draw(
  'M16.5 10.5V15a1.5 1.5 0 0 1-1.5 1.5H5A1.5 1.5 0 0 1 3.5 15V5A1.5 1.5 0 0 1 5 3.5h4.5M9 11l.4-2L15 3.4a1.3 1.3 0 0 1 1.8 1.8L11 10.8z',
);
export const Search = draw('M9 14.5a5.5 5.5 0 1 0 0-11 5.5 5.5 0 0 0 0 11zM13 13l3.5 3.5');
export const Copy = draw('M7.5 7.5h8v9h-8zM12.5 7.5v-4h-8v9h3');
export const Check = draw('M4.5 10.5l3.5 3.5 7.5-8');
export const Again = draw('M15.8 8A6.2 6.2 0 1 0 16 11.5M16 4v4h-4');
export const Close = draw('M5 5l10 10M15 5L5 15');
export const Down = draw('M10 4v12M5 11l5 5 5-5');
export const Up = draw('M10 16V4M5 9l5-5 5 5');
export const Image = draw('M3.5 4.5h13v11h-13zM3.5 13l4-4 4 4 2-2 3 3M12.5 8h.01');
export const Branch = draw('M6 4v12M6 12c0-4 8-2 8-6M14 6V4M6 4h.01');
export const Fork = draw(
  'M6 7.5v9M6 12.5h4.5A3.5 3.5 0 0 0 14 9V7.5M6 7.5a1.7 1.7 0 1 0 0-3.4 1.7 1.7 0 0 0 0 3.4zM14 7.5a1.7 1.7 0 1 0 0-3.4 1.7 1.7 0 0 0 0 3.4z',
);
export const Trash = draw('M4 6h12M8 6V4h4v2M5.5 6l.7 10h7.6l.7-10');
export const Alert = draw('M10 6.5v4M10 13.5h.01M10 17a7 7 0 1 0 0-14 7 7 0 0 0 0 14z');
export const Stop = () => (
  <svg viewBox="0 0 20 20" width="18" height="18" aria-hidden="true">
    <rect x="5.5" y="5.5" width="9" height="9" rx="1.8" fill="currentColor" />
  </svg>
);
