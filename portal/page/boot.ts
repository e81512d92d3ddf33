/** Begins the page once the shell is painted: what follows would hold the first paint up. */

const begin = () => void import('./main.tsx');

// A page that nobody looks at is not painted.
if (document.hidden) begin();
else requestAnimationFrame(() => setTimeout(begin));
