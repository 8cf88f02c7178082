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
const Metrics = lazy(() => import("../views/Metrics"));
const Alerts = lazy(() => import("../views/Alerts"));
const Alert = lazy(() => import("../views/Alert"));
const Silences = lazy(() => import("../views/Silences"));
const Insights = lazy(() => import("../views/Insights"));
const Tenants = lazy(() => import("../views/Admin/Tenants"));
const Users = lazy(() => import("../views/Admin/Users"));
const Audit = lazy(() => import("../views/Admin/Audit"));
const Profile = lazy(() => import("../views/Profile"));
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
      { path: "/metrics", element: <Metrics /> },
      { path: "/alerts", element: <Alerts /> },
      { path: "/alerts/silences", element: <Silences /> },
      { path: "/alerts/:id", element: <Alert /> },
      { path: "/insights", element: <Insights /> },
      { path: "/insights/:tab", element: <Insights /> },
      { path: "/admin", element: <Navigate replace to="/admin/users" /> },
      { path: "/admin/tenants", element: <Tenants /> },
      { path: "/admin/users", element: <Users /> },
      { path: "/admin/audit", element: <Audit /> },
      { path: "/profile", element: <Profile /> },
      { path: "*", element: <NotFound /> },
    ],
  },
]);
