export { Image, Images, type ImageProps } from "./images.tsx";
