"""What an answer about a console holds."""

from agent.http.answers.values import COUNT, TEXT, Schema, record, said

SCHEMAS: dict[str, Schema] = {
    "Piece": record(
        {
            "offset": said("where it begins, in bytes", COUNT),
            "next": said("where what follows begins", COUNT),
            "text": said("what is not UTF-8 is replaced", TEXT),
        }
    ),
}
