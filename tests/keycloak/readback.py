"""Reads people of a realm with python-keycloak: URL REALM USER PASSWORD NAME..., printed as JSON."""

import json
import sys

from keycloak import KeycloakAdmin

url, realm, user, password, *names = sys.argv[1:]
admin = KeycloakAdmin(
    server_url=url + "/", realm_name=realm, user_realm_name="master", username=user, password=password
)


def person(name):
    found = admin.get_user_id(name)
    if found is None:
        return None
    account = admin.get_user(found)
    return {
        "enabled": account["enabled"],
        "email": account["email"],
        "email_verified": account["emailVerified"],
        "attributes": sorted(account.get("attributes", {})),
        "groups": [group["path"] for group in admin.get_user_groups(found)],
        "roles": sorted(role["name"] for role in admin.get_composite_realm_roles_of_user(found)),
        "sessions": len(admin.get_sessions(found)),
    }


print(json.dumps({name: person(name) for name in names}))
