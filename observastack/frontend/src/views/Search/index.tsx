import { Page } from "../../app/Page";

export default function Search() {
  return <Page title="Search">…</Page>;
}
