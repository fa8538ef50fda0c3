/** Images of messages. They need the key, so they are fetched and shown as blobs; an `<img>` alone
 *  would ask without it. */
import { useEffect, useRef, useState } from "preact/hooks";

import { getBlob } from "../api/api.ts";
import { visible } from "../parts/visible.ts";
import { words } from "../words.ts";

/** Others, such as SVG, are not what the daemon accepts. */
const MEDIA = /^image\/(?:png|jpeg|gif|webp)$/;

export interface ImageProps {
  /** Below /api/v1: `/attachments/att_…`. */
  path: string;
  alt: string;
}

/** undefined: it loads. null: it cannot be shown. */
function useImage(path: string): [url: string | null | undefined, broke: () => void,
  retry: () => void] {
  const [url, urlSet] = useState<string | null | undefined>(undefined);
  const [attempt, attemptSet] = useState(1);
  useEffect(() => {
    let made: string | null = null, gone = false;
    urlSet(undefined);
    void getBlob(path).then((answer) => {
      if (gone) return;
      if (answer.ok && MEDIA.test(answer.value.type)) made = URL.createObjectURL(answer.value);
      urlSet(made);
    });
    return () => {
      gone = true;
      if (made !== null) URL.revokeObjectURL(made);
    };
  }, [path, attempt]);
  return [url, () => urlSet(null), () => attemptSet(attempt + 1)];
}

interface LightboxProps {
  url: string;
  alt: string;
  onClose: () => void;
}

/** The dialog of the browser: Esc closes it, and the focus returns to where it was. */
function Lightbox({ url, alt, onClose }: LightboxProps) {
  const dialog = useRef<HTMLDialogElement>(null);
  useEffect(() => dialog.current?.showModal(), []);
  const close = () => dialog.current?.close();
  return (
    <dialog class="lightbox" ref={dialog} aria-label={alt} onClose={onClose}
      onClick={(event) => event.target === dialog.current && close()}>
      <img src={url} alt={alt} />
      <button onClick={close}>{words.close}</button>
    </dialog>
  );
}

export function Image({ path, alt }: ImageProps) {
  const [url, broke, retry] = useImage(path);
  const [open, openSet] = useState(false);
  const name = visible(alt);
  if (url === undefined) return <div class="image loading" role="status">{words.loading}</div>;
  if (url === null) {
    return (
      <div class="image broken">
        <span><span class="tone-fail" aria-hidden="true">✕</span> {words.imageBroken}</span>
        <span class="muted clip">{name}</span>
        <button class="quiet" onClick={retry}>{words.retry}</button>
      </div>
    );
  }
  return (
    <>
      <button class="image" onClick={() => openSet(true)} aria-label={words.openImage(name)}>
        <img src={url} alt="" onError={broke} />
      </button>
      {open ? <Lightbox url={url} alt={name} onClose={() => openSet(false)} /> : null}
    </>
  );
}

/** One image, or a grid of two columns. */
export function Images({ images }: { images: ImageProps[] }) {
  return (
    <div class={images.length > 1 ? "images two" : "images"}>
      {images.map(({ path, alt }, at) => <Image key={at} path={path} alt={alt} />)}
    </div>
  );
}
