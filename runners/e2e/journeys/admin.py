"""Managing users and tenants, and the log of who did it."""

from __future__ import annotations

from typing import Any

from runners.e2e.journey import check, equal, journey
from runners.e2e.scene import Scene
from runners.target import Answer


@journey(
    "admin.user-comes-and-goes", "admin.create_user", "admin.set_roles", "admin.deactivate_user", "admin.activate_user",
    "admin.delete_user", "auth.login",
)  # fmt: skip
def user_life(scene: Scene) -> None:
    """A user who is made can sign in, gets other rights with another role, and none once disabled."""
    boss, name = scene.who("tenant_admin"), f"e2e-{scene.mark}"
    made = scene.ok("admin.create_user", boss, username=name, email=f"{name}@example.invalid", roles=["viewer"]).json
    user, password = made["user"]["id"], made["temporary_password"]
    try:
        equal(_login(scene, name, password).status, 200, "the status of the new user's first sign-in")
        token = scene.call("auth.login", None, username=name, password=password)
        listed = [one["username"] for one in scene.items("admin.users", boss, free_text=name)]
        equal(listed, [name], "the users found by that name")
        scene.ok("admin.set_roles", boss, user_id=user, roles=["tenant_admin"])
        fresh = scene.call("auth.login", None, username=name, password=password)
        equal(_users_status(scene, fresh), 200, "the status of admin.users for the promoted user")
        scene.ok("admin.set_roles", boss, user_id=user, roles=["viewer"])
        back = scene.call("auth.login", None, username=name, password=password)
        check(
            _users_status(scene, back) in scene.target.profile.expect.forbidden,
            "a viewer again, the user still manages",
        )
        scene.ok("admin.deactivate_user", boss, user_id=user)
        scene.turned_down("auth.login", _login(scene, name, password), "a disabled user signed in")
        for session in (token, back):
            check(
                _me_status(scene, session) in scene.target.profile.expect.unauthenticated,
                "a disabled user's session goes on",
            )
        scene.ok("admin.activate_user", boss, user_id=user)
        equal(_login(scene, name, password).status, 200, "the status of the sign-in once enabled again")
    finally:
        scene.call("admin.delete_user", boss, user_id=user)
    scene.turned_down("auth.login", _login(scene, name, password), "a deleted user signed in")


def _login(scene: Scene, username: str, password: str) -> Answer:
    return scene.call("auth.login", None, username=username, password=password)


def _with(scene: Scene, login: Any, name: str) -> int:
    from runners.target import jsonpath

    block = scene.target.profile.auth.login
    token = None if block is None else jsonpath.parse(block.token).value(login.json)
    request = scene.target.tokens.authorize(scene.operation(name).request(), str(token))
    return scene.target.send(request).status


def _users_status(scene: Scene, login: Any) -> int:
    return _with(scene, login, "admin.users")


def _me_status(scene: Scene, login: Any) -> int:
    return _with(scene, login, "auth.me")


@journey("admin.strangers-users-are-missing", "admin.users", "admin.set_roles", "admin.deactivate_user")
def foreign_user(scene: Scene) -> None:
    """A tenant's admin cannot touch another tenant's user, nor learn that there is one."""
    theirs = scene.items("admin.users", scene.who("tenant_admin", scene.stranger))
    victim = next(one for one in theirs if "viewer" in one["roles"])
    boss, foreign = scene.who("tenant_admin"), scene.target.profile.expect.foreign
    scene.refused(
        "admin.set_roles", boss, foreign, "the user is another tenant's", user_id=victim["id"], roles=["viewer"]
    )
    scene.refused("admin.deactivate_user", boss, foreign, "the user is another tenant's", user_id=victim["id"])
    after = {one["id"]: one for one in scene.items("admin.users", scene.who("tenant_admin", scene.stranger))}
    equal(after[victim["id"]]["enabled"], victim["enabled"], "whether the user is enabled afterwards")


@journey("admin.acts-are-logged", "admin.create_user", "admin.delete_user", "admin.audit_logs")
def logged(scene: Scene) -> None:
    """What an admin does, and what was refused, stands in the audit log, with who, what and from where."""
    boss, name = scene.who("tenant_admin"), f"e2e-{scene.mark}"
    made = scene.ok("admin.create_user", boss, username=name, email=f"{name}@example.invalid", roles=["viewer"]).json
    scene.ok("admin.delete_user", boss, user_id=made["user"]["id"])
    entries = scene.eventually(
        lambda: [one for one in scene.items("admin.audit_logs", boss, user=boss.username) if made["user"]["id"] in repr(one) or name in repr(one)],
        lambda found: len(found) >= 2, "the acts do not stand in the audit log",
    )  # fmt: skip
    check(
        all(one["success"] and one["user"] == boss.username and one.get("request_id") for one in entries),
        "an entry lacks who or what",
    )
    check(all(one["tenant"] == scene.tenant for one in entries), "an entry is another tenant's")
    refused = scene.call("admin.users", scene.who("viewer"))
    check(refused.status in scene.target.profile.expect.forbidden, f"a viewer was answered with {refused.status}")
    scene.eventually(
        lambda: [one for one in scene.items("admin.audit_logs", boss, user=scene.who("viewer").username) if not one["success"]],
        bool, "a refused act does not stand in the audit log",
    )  # fmt: skip


@journey(
    "admin.tenant-comes-and-goes", "admin.create_tenant", "admin.update_tenant", "admin.delete_tenant", "admin.tenants"
)
def tenant_life(scene: Scene) -> None:
    """The platform's admin makes a tenant, suspends it and takes it away."""
    boss, tenant = scene.who("admin"), f"e2e-{scene.mark}"
    scene.ok("admin.create_tenant", boss, tenant_id=tenant, name="End to end")
    try:
        again = scene.call("admin.create_tenant", boss, tenant_id=tenant, name="End to end")
        equal(again.status, 409, "the status for making a tenant twice")
        scene.ok("admin.update_tenant", boss, tenant_id=tenant, status="suspended")
        found = {one["id"]: one["status"] for one in scene.items("admin.tenants", boss)}
        equal(found.get(tenant), "suspended", "the tenant's status")
    finally:
        scene.call("admin.update_tenant", boss, tenant_id=tenant, status="suspended")
        gone = scene.call("admin.delete_tenant", boss, tenant_id=tenant)
    check(gone.ok, f"taking the tenant away was answered with {gone.status}")
    check(tenant not in {one["id"] for one in scene.items("admin.tenants", boss)}, "the tenant is still listed")


@journey("admin.refuses-bad-tenant-names", "admin.create_tenant")
def bad_names(scene: Scene) -> None:
    """A tenant id that back ends would misread is refused."""
    for name in ("a|b", "UPPER", "../up", "", "-dash", "x" * 64, "tenant\n", "a b"):
        answer = scene.call("admin.create_tenant", scene.who("admin"), tenant_id=name, name="Bad")
        check(
            answer.status in scene.target.profile.expect.invalid,
            f"the tenant id {name!r} was answered with {answer.status}",
        )
