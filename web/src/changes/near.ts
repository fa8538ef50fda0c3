/** What is near the view is drawn. Everything else is an empty box of the height that it had, or
 *  may have: the browser keeps the line that is read where it is when a box above it changes. */
import { createContext } from "preact";
import { useContext, useLayoutEffect, useMemo, useRef, useState } from "preact/hooks";
import type { RefObject } from "preact";

const MARGIN_PX = 800;

type Call = (near: boolean, height: number) => void;
export interface Nearness { watch(element: Element, call: Call): () => void; end(): void }

/** For the box that scrolls. */
export function nearnessOf(root: () => Element | null): Nearness {
  const calls = new Map<Element, Call>();
  let observer: IntersectionObserver | null = null;
  const begun = (): IntersectionObserver => (observer ??= new IntersectionObserver((entries) => {
    for (const { target, isIntersecting, boundingClientRect } of entries) {
      // A pane that is hidden has no height, and nothing in it has moved.
      const { height } = boundingClientRect;
      if (height > 0) calls.get(target)?.(isIntersecting, height);
    }
  }, { root: root(), rootMargin: `${MARGIN_PX}px 0px` }));
  return {
    watch(element, call) {
      calls.set(element, call);
      begun().observe(element);
      return () => {
        calls.delete(element);
        observer?.unobserve(element);
      };
    },
    end: () => observer?.disconnect(),
  };
}

export const NearContext = createContext<Nearness | null>(null);

interface Near { box: RefObject<HTMLDivElement>; near: boolean; style: { height?: string } }

/** `first`: it is drawn with the first picture. `of`: another one has another height. */
export function useNear(wish: { height: number; first: boolean; of: unknown }): Near {
  const box = useRef<HTMLDivElement>(null), nearness = useContext(NearContext);
  const [near, nearSet] = useState(wish.first);
  const had = useRef<number | null>(null);
  useMemo(() => void (had.current = null), [wish.of]);
  const drawn = useRef(near);
  drawn.current = near;
  useLayoutEffect(() => {
    if (box.current === null || nearness === null) return undefined;
    return nearness.watch(box.current, (is, height) => {
      if (!is && drawn.current) had.current = height;
      nearSet(is);
    });
  }, [nearness]);
  return { box, near, style: near ? {} : { height: `${had.current ?? wish.height}px` } };
}
