/** Addresses. Every view is its own script, loaded when it is opened. */
import { lazy, type ReactNode, Suspense } from "react";
import { createBrowserRouter, Navigate } from "react-router";

import { AppShell } from "./AppShell";
import { Boundary } from "./Failure";
import { RequireSession } from "./session";

const Login = lazy(() => import("../views/Login"));
const AuthCallback = lazy(() => import("../views/AuthCallback"));
const Search = lazy(() => import("../views/Search"));
const Trace = lazy(() => import("../views/Trace"));
const NotFound = lazy(() => import("../views/NotFound"));

function bare(view: ReactNode): ReactNode {
  return (
    <Boundary>
      <Suspense fallback={null}>{view}</Suspense>
    </Boundary>
  );
}

export const router = createBrowserRouter([
  { path: "/login", element: bare(<Login />) },
  { path: "/auth/callback", element: bare(<AuthCallback />) },
  {
    element: (
      <RequireSession>
        <AppShell />
      </RequireSession>
    ),
    children: [
      { index: true, element: <Navigate replace to="/search" /> },
      { path: "/search", element: <Search /> },
      { path: "/traces/:id", element: <Trace /> },
      { path: "*", element: <NotFound /> },
    ],
  },
]);
