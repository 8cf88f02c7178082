import { createRoot } from "react-dom/client";

import "./styles/tokens.css";
import "./styles/components.css";

const root = document.getElementById("root");
if (root === null) throw new Error("index.html has no #root");
createRoot(root).render(<h1>ObservaStack</h1>);
