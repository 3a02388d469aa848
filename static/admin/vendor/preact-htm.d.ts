// For `npm run types` alone: the gateway does not serve it.
export { h, render, Fragment, createContext, createRef } from "preact";
export {
  useCallback, useContext, useEffect, useErrorBoundary, useId, useLayoutEffect, useMemo, useReducer, useRef, useState,
} from "preact/hooks";
export const html: (strings: TemplateStringsArray, ...values: any[]) => any;
