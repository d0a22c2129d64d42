"""The codes of what can keep a mesh from running, and what `minimesh explain` says of each."""

GATEWAY_PORT = "MM101"
SERVICE_PORT = "MM102"
NO_PORT = "MM103"
ALREADY_RUNNING = "MM104"
STATE_FOLDER = "MM105"
CANNOT_LISTEN = "MM106"
UNKNOWN_SERVICE = "MM107"
UNKNOWN_CODEC = "MM108"
CANNOT_SCALE = "MM109"
STOPPING = "MM110"
NO_FILE = "MM111"
OTHER_VERSION = "MM112"
STATE_FILE = "MM120"
OWN_KEY = "MM121"
CA = "MM122"
CRASH_LOOP = "MM301"
WATCH = "MM302"
CRASH = "MM500"

explain: dict[str, str] = {
    GATEWAY_PORT: """\
The port that `[gateway] http` names is taken by another program, which is named where the system tells.
Stop that program or write another port. Without `http` the mesh takes 7080 if it is free and else
another one that stays the same.""",
    SERVICE_PORT: """\
The `port` of a service is what its program listens on, and another program already does. It would get
requests that are meant for the service. Stop it, or write another port; a service without `port` gets a
free one in $PORT.""",
    NO_PORT: """\
The mesh found no free port for one of its addresses, among those that the system does not hand out by
itself. Something holds thousands of ports on this machine.""",
    ALREADY_RUNNING: """\
A mesh of this project runs already, and there is one to a folder. `minimesh ps` shows it and `minimesh down`
stops it. After a crash there is nothing to clean up: the lock is gone with the process.""",
    STATE_FOLDER: """\
The mesh keeps its socket, logs and chosen ports in .minimesh beside minimesh.toml, for this user alone. The
folder, or the one for its socket, cannot be written, or belongs to somebody else.""",
    CANNOT_LISTEN: """\
The system did not let the mesh listen at an address: a host that is not this machine's, or a port under
1024 without the right to it.""",
    UNKNOWN_SERVICE: """\
`minimesh up NAME` starts only what it names and what that depends on; the name is none of the services and
tasks in minimesh.toml.""",
    CRASH_LOOP: """\
A service ended as many times in a row as `restart` allows, and is not started again by itself. From the third
failure on it is shown as crash-loop, until it has been ready for ten seconds. The last line that it wrote to
stderr mostly says why. `minimesh restart NAME` tries again from the beginning.""",
    WATCH: """\
The kernel watches no more files for this user: editors and other programs use up what inotify(7) allows. Files
are looked at every two seconds instead, so changes are still noticed, later. The line of help raises the limit
until the next boot; a file in /etc/sysctl.d keeps it. More than 100,000 files are not watched at all: narrow the
globs, or name folders in `ignore`.""",
    UNKNOWN_CODEC: """\
MINIMESH_CODEC chooses what reads and writes HTTP; there is no codec of that name. Without it the
fast one is taken.""",
    CANNOT_SCALE: """\
Replicas listen on different ports, so a service that has its `port` written is alone; without `port` each
replica gets one in $PORT. Tasks, addresses and the gateway have no replicas. Where the file says
`replicas = { min, max, rps }`, the number stays within these.""",
    STOPPING: """\
The mesh has been told to stop, and does nothing else any more. `minimesh up` starts it again.""",
    OTHER_VERSION: """\
What is installed is another version than the mesh that runs, so the two may not mean the same by a file. Nothing
was changed. Have the new one go on with this mesh: `minimesh upgrade`.""",
    STATE_FILE: """\
.minimesh/state.db keeps what must outlive a run: the authorities and their states, what is revoked, keys of the API.
It is damaged, cut, of another program, or from a newer minimesh, so the mesh does not start: with an empty one, what
was revoked would count again. `minimesh recover` puts it aside and goes back to the copy that was made after the last
change. A file that another program has open is free again when that ends.""",
    OWN_KEY: """\
The key of the project's own root lies in .minimesh/ca and signs the certificates of all services. It has to be there,
readable by this user and by nobody else, and not expired. `minimesh recover` starts with another root where the key is
lost; browsers and programs that trusted the old one then have to be told of it.""",
    CA: """\
`[identity] ca` names an authority of yours, which cannot be used as it is: a file that is not there or that others can
read, a key of another certificate, one that has expired or may not sign, a command that fails or answers something
else than a chain: the signed intermediate first, the root last.""",
    NO_FILE: """\
The mesh was started without a minimesh.toml (`minimesh run`), so there is nothing to read again. End it and
start it as you want it to be.""",
}
