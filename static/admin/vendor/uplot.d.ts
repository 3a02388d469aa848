// For `npm run types` alone: the gateway does not serve it.
declare const UPlot: any;
export default UPlot;
