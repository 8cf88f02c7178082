import { Page } from "../../app/Page";

export default function Trace() {
  return <Page title="Trace">…</Page>;
}
