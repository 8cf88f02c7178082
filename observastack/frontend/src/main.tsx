import { QueryClient, QueryClientProvider } from "@tanstack/react-query";
import { createRoot } from "react-dom/client";
import { RouterProvider } from "react-router";

import { auth } from "./app/auth";
import { isStatus } from "./app/errors";
import { router } from "./app/router";
import "./styles/tokens.css";
import "./styles/components.css";
import "./styles/parts.css";

const client = new QueryClient({
  defaultOptions: {
    queries: {
      // What the server refused it refuses again; what did not arrive may arrive the second time.
      retry: (failures, error) => failures < 1 && isStatus(error, 0, 502, 504),
      refetchOnWindowFocus: false,
      staleTime: 10_000,
    },
  },
});

// Whoever signs in next must not see what was answered to somebody else.
let owner: string | null = null;
auth().subscribe(() => {
  const { subject } = auth();
  const left = auth().snapshot() === "signed-out";
  // At the start there is nothing to forget; the sign-in's own questions are on their way.
  if (owner !== null && (left || (subject !== null && subject !== owner))) client.clear();
  owner = left ? null : (subject ?? owner);
});

const root = document.getElementById("root");
if (root === null) throw new Error("index.html has no #root");
createRoot(root).render(
  <QueryClientProvider client={client}>
    <RouterProvider router={router} />
  </QueryClientProvider>,
);
