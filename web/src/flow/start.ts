/** A run is started, and its page is shown. */
import { useEffect, useRef, useState } from "preact/hooks";

import { post, type Problem } from "../api/api.ts";
import { useSeat } from "../router/router.ts";

/** One at a time; true: it has begun. Who is elsewhere by then stays there. */
export function useStart() {
  const { go } = useSeat(), isHere = useRef(true), isBusy = useRef(false);
  const [problem, problemSet] = useState<Problem | null>(null);
  useEffect(() => () => void (isHere.current = false), []);
  const start = async (path: string, body: object): Promise<boolean> => {
    if (isBusy.current) return false;
    isBusy.current = true;
    const answer = await post<{ id: string }>(path, body);
    isBusy.current = false;
    problemSet(answer.ok ? null : answer.problem);
    if (answer.ok && isHere.current) go(`/r/${answer.value.id}`);
    return answer.ok;
  };
  return { problem, start };
}
