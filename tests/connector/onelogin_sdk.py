"""Drives a OneLogin tenant (here: the simulated one) with OneLogin's own Python SDK.

Usage: onelogin_sdk.py BASE_URL CLIENT_ID CLIENT_SECRET. Prints one JSON object of what was seen.
It checks nothing itself; the Rust test that runs it compares this and the tenant's state.
"""

import json
import sys

import onelogin
from onelogin.exceptions import NotFoundException, UnauthorizedException
from pydantic import ValidationError

host, client_id, secret = sys.argv[1:4]
seen = {}


def connect(password):
    configuration = onelogin.Configuration(host=host, username=client_id, password=password)
    return onelogin.ApiClient(configuration), configuration


def only_the_answer_is_refused(call, *args):
    """The SDK expects another envelope of these calls than the documented one: the request is right,
    and its answer makes the SDK raise."""
    try:
        call(*args)
        return "accepted"
    except ValidationError:
        return "sent"


def grant(client):
    body = onelogin.GenerateTokenRequest(grant_type="client_credentials")
    return onelogin.OAuth2Api(client).generate_token(body)


try:
    grant(connect("wrong")[0])
    seen["wrong_secret"] = "accepted"
except UnauthorizedException as error:
    seen["wrong_secret"] = json.loads(error.body)["status"]["message"]

client, configuration = connect(secret)
token = grant(client)
seen["token_type"] = token.token_type
configuration.access_token = token.access_token
seen["same_token"] = grant(client).access_token == token.access_token

limit = onelogin.OAuth2Api(client).get_rate_limit()
seen["rate_limit"] = limit.to_dict()["data"]

users = onelogin.UsersV2Api(client)
zero = "0001-01-01T00:00:00Z"
made = users.create_user2(
    user=onelogin.User(
        username="ada", email="ada@example.com", firstname="Ada", lastname="Lovelace", state=0,
        created_at=zero, updated_at=zero, activated_at=zero, last_login=zero, locked_until=zero,
        invitation_sent_at=zero, password_changed_at=zero, member_of="",
    )
)
seen["created"] = [made.id, made.created_at, made.state]
read = users.get_user2(made.id)
seen["read"] = [read.email, read.state, read.status, read.custom_attributes]
changed = users.update_user2(made.id, user=onelogin.User(department="Analysis", status=1))
seen["updated"] = [changed.department, changed.status]
seen["listed"] = [user.id for user in users.list_users2(email="ada@example.com")]

roles = onelogin.RolesApi(client)
role = next(role for role in roles.list_roles() if role.name == "Staff")
seen["granted"] = [one.id for one in roles.add_role_users(str(role.id), [made.id])]
seen["members"] = [one.id for one in roles.get_role_users(str(role.id))]
roles.remove_role_users(str(role.id), [made.id])
seen["members_after"] = [one.id for one in roles.get_role_users(str(role.id))]
roles.add_role_users(str(role.id), [made.id])

events = onelogin.EventsApi(client)
types = onelogin.EventsApi(connect(secret)[0]).get_event_types()
seen["event_types"] = len(types.data)
seen["events"] = [one.event_type_id for one in events.get_events(since="2020-01-01T00:00:00.000Z").data]

onelogin.InviteLinksApi(client).send_invite_link(onelogin.SendInviteLinkRequest(email="ada@example.com"))
seen["risk"] = onelogin.VigilanceAIApi(client).get_risk_score(
    get_risk_score_request=onelogin.GetRiskScoreRequest(
        ip="192.0.2.1", user_agent="test", user=onelogin.RiskUser(id="US_1", name="Ada")
    )
).score

old = onelogin.UsersV1Api(client)
seen["lock"] = only_the_answer_is_refused(
    old.lock_account_user, made.id, onelogin.LockAccountUserRequest(locked_until=15)
)
seen["logout"] = only_the_answer_is_refused(old.log_out_user, made.id, {})
seen["state"] = only_the_answer_is_refused(old.set_user_state, made.id, onelogin.SetUserStateRequest(state=2))

gone = users.create_user2(user=onelogin.User(username="gone", email="gone@example.com"))
users.delete_user2(gone.id)
try:
    users.get_user2(gone.id)
    seen["deleted"] = "still there"
except NotFoundException as error:
    seen["deleted"] = json.loads(error.body)
print(json.dumps(seen))
