/** In place of `changes/link/tab.tsx`: a file knows of no folder. */
export const ChangesTab = (_: { run: string }) => null;
