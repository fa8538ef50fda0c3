/** The field that `/` leads to. What is typed is in the address after a moment, as `q`. */
import { useEffect, useRef } from "preact/hooks";

import { useSeat } from "../router/router.ts";

const TYPED_MS = 250;

export function Search({ q, label, about }: { q: string; label: string; about: string }) {
  const { setQuery } = useSeat();
  const field = useRef<HTMLInputElement>(null);
  const timer = useRef<ReturnType<typeof setTimeout>>();
  useEffect(() => () => clearTimeout(timer.current), []);
  useEffect(() => {
    const input = field.current;
    if (input !== null && input !== document.activeElement) input.value = q;
  }, [q]);
  return (
    <input ref={field} data-filter type="search" dir="auto" aria-label={label} defaultValue={q}
      placeholder={about}
      onInput={({ currentTarget: { value } }) => {
        clearTimeout(timer.current);
        timer.current = setTimeout(() => setQuery("q", value || null), TYPED_MS);
      }} />
  );
}
