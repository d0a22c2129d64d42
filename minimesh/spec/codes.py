"""The codes of every mistake that a minimesh.toml can hold, and what `minimesh explain` says of each."""

SYNTAX = "MM001"
UNKNOWN_KEY = "MM002"
CYCLE = "MM003"
UNIT = "MM004"
TYPE = "MM005"
NOT_BUILT = "MM006"
MISSING = "MM007"
UNKNOWN_NAME = "MM008"
NAME = "MM009"
VALUE = "MM010"
CONFLICT = "MM011"
DUPLICATE = "MM012"
NO_FILE = "MM013"
REGEX = "MM014"
VARIABLE = "MM015"
REFERENCE = "MM016"
CONDITION = "MM017"
SHADOWED = "MM018"
UNREADABLE = "MM019"
ENV_FILE = "MM020"
PROFILE_OFF = "MM021"
DESCRIPTORS = "MM022"
OPEN_KEY = "MM025"

explain: dict[str, str] = {
    SYNTAX: """\
The file is not well-formed TOML, so nothing of it could be read. The usual causes: text without quotes
(`run = python app.py` must be `run = "python app.py"`), a quote or bracket that is not closed, and a key or
a [table] that is written twice. Only the first such mistake can be told; the rest shows when it is mended.""",
    UNKNOWN_KEY: """\
minimesh.toml has no key of this name at this place. It is an error, not a warning, because a misspelt key
would otherwise be a setting that silently does nothing. If the key exists elsewhere, move it: everything
between one [table] line and the next belongs to that table.""",
    CYCLE: """\
`depends_on` is start order: each service waits for those that it names. In a cycle everybody waits for
somebody. One of the lines must go. If the service only has to be *allowed to call* the other one, write it
under `calls`, which has no order and may be circular.""",
    UNIT: """\
A quantity has to be written with its unit, in quotes: durations "250ms", "2s", "5m", "24h"; sizes "512B",
"64KiB", "50MiB", "1GiB"; ranges of durations "1s..30s". A bare number is refused because nobody can see
whether 15 are seconds or milliseconds.""",
    TYPE: """\
The value has another type than the key takes: a string where a number belongs, a list where a table
belongs, and so on. Environment values are always strings, numbers too: `DEBUG = "1"`.""",
    NOT_BUILT: """\
The key is part of the format of minimesh.toml, but this version of minimesh does not do it yet. It is
refused rather than ignored, so that no one relies on a policy that is not in force. Take the line out, or
use a version of minimesh that has it.""",
    MISSING: """\
Something that cannot be left out is not there: `version = 1` at the top, `run` or `address` in a service,
`run` in a task, `to` in a route, `path` in an access log.""",
    UNKNOWN_NAME: """\
`depends_on`, `calls`, `to` or `from` names a service or task that this file does not define. Names are those of the
[services.NAME] and [tasks.NAME] tables. For a program that runs elsewhere, define a service with `address`.""",
    NAME: """\
Names of projects, services and tasks are lower-case letters, digits and hyphens, begin with a letter, and
have at most 63 characters, because they become host names, parts of certificates, file names and columns
of tables. `gateway`, `egress` and `self` are taken by the mesh, and a task may not be called as a service is.""",
    VALUE: """\
The value has the right type but is none that the key takes: a port outside 1 to 65535, a word that is not
among the choices, a path that does not begin with "/", an address without a port.""",
    CONFLICT: """\
Two keys that cannot both hold: `run` (the mesh starts it) with `address` (it runs elsewhere), a fixed port
with several replicas, a probe of a port in a service that has none, a task that listens, an included file that
includes.""",
    DUPLICATE: """\
Something that must be unique is there twice: a port that two programs would listen on, or two routes with
the same host and path, of which only one could ever match. The same service in two files is no mistake: what
the files say of it is merged.""",
    NO_FILE: """\
A path in the file leads nowhere: a `cwd` that is not a folder, an `env_file`, a descriptor set or an included file
that is not there. Paths count from the folder of the file in which they stand. An env_file that may be missing ends
with a question mark: `env_file = "local.env?"`; a pattern (`include = ["services/*.toml"]`) may match nothing.""",
    REGEX: """\
A text that begins with "~" (in a path), or the `log` of a probe, is a regular expression in Python's
syntax, and this one does not compile.""",
    VARIABLE: """\
`${NAME}` in a value is replaced from the environment of `minimesh up`, or else from the file .env beside
minimesh.toml. If NAME may be missing, write `${NAME:-default}`; `${NAME:?message}` stops with your own
message. A literal "${" is written `$${`. In a `run` that is a string, ${…} is left to the shell.""",
    REFERENCE: """\
`${orders.url}`, and likewise host, port and address, becomes the place where *this* service reaches
`orders` through the mesh. It works in values of `env` and in a `run` that is a list, and only for services
that stand in `depends_on` or `calls`, and for `${self.port}`: the mesh listens for known callers only.""",
    CONDITION: """\
`depends_on = { db = "ready", migrate = "completed" }`: a service can be waited for until it is "ready" or
"started", a task until it is "completed" or "started". A service is not expected to end, a task is never
ready, and what has an `address` is not started by the mesh.""",
    SHADOWED: """\
The route or rule, or a part of it, can never take effect. The most specific route wins, whatever the order in
the file: exact paths, then the longest prefix, then regular expressions. So a regular expression beside a "/*" of
the same host is never reached. Of rules, deny beats allow, and one that another one covers decides nothing. A caller
that `allow` names needs the service under `calls` too: without it the caller has no address to call.""",
    UNREADABLE: """\
The file could not be read at all: it is not there, not a file, not permitted, or not UTF-8 text. Editors
that save as "ANSI", "Latin-1" or "UTF-16" need to be told UTF-8.""",
    ENV_FILE: """\
A line of an environment file is not understood. Each line is NAME=VALUE, with or without `export` before
it; values with spaces or "#" go in quotes; 'single quotes' keep everything, "double quotes" know \\n, \\t,
\\", \\\\ and \\$; lines that begin with "#" are comments.""",
    PROFILE_OFF: """\
A service with `profiles` is started only when one of them is asked for (`minimesh up --profile full`) or
when it is named (`minimesh up debug`). Here something that is started waits for such a service, which would
never come. Ask for the profile, give the dependant the same `profiles`, or write the service under `calls`.""",
    DESCRIPTORS: """\
The descriptor set of a service with `transcode` cannot be used as it is: it is another file, it lacks files that
it imports (protoc puts them in with --include_imports), none of its methods has a google.api.http annotation, or
one of those is wrong: a path that is no path template, a field that the request does not have. A warning tells of
a path that another method has before it. The set is made by
`protoc --include_imports --descriptor_set_out=api.pb api.proto`, or by `buf build -o api.pb`.""",
    OPEN_KEY: """\
The key of an authority is read only where nobody but its owner can read or change it: whoever has it can be any
service. If others could read it until now, think of it as lost, and have another one made.""",
}
