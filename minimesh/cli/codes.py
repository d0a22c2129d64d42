"""The errors of the commands themselves, for `minimesh explain`. MM0nn to MM3nn are those of the mesh."""

from typing import NamedTuple


class Code(NamedTuple):
    """title: one line. text: what it means and what to do, in paragraphs."""

    title: str
    text: str


CODES: dict[str, Code] = {
    "MM401": Code(
        "no mesh is running here",
        "The command asks a running mesh, and none answers for this project. The project is the folder of the\n"
        "nearest minimesh.toml, from here upwards, or the one of -f, -p, MINIMESH_FILE or MINIMESH_PROJECT.\n"
        "\nStart it with `minimesh up` (or `minimesh up -d` to keep the terminal). Exit code 3.",
    ),
    "MM402": Code(
        "the command line cannot be understood",
        "A command, an option or a value of it is not known. `minimesh --help` lists the commands and\n"
        "`minimesh COMMAND --help` the options of one. Exit code 2.",
    ),
    "MM403": Code(
        "no such service",
        "The name is not one of the services and tasks of the running mesh: `minimesh ps` lists them.\n"
        "A service that was written to minimesh.toml since is not there yet: `minimesh reload`. Exit code 2.",
    ),
    "MM404": Code(
        "waiting took too long",
        "`up --wait-timeout` ran out before every service was ready. What was started keeps running:\n"
        "`minimesh ps` says what each waits for, `minimesh logs` what it wrote. Exit code 4.",
    ),
    "MM405": Code(
        "a service did not become ready",
        "It ended, or it keeps ending. The last lines that it wrote are under the message;\n"
        "`minimesh logs SERVICE` has the rest. Exit code 1.",
    ),
    "MM406": Code(
        "a file is in the way",
        "`minimesh init` never overwrites a minimesh.toml by itself. `--force` does. Exit code 2.",
    ),
    "MM407": Code(
        "the command cannot be run",
        "The program after `--` was not found, or is not executable, in the folder of its service\n"
        "and with its PATH. Exit code 127 or 126, as a shell has it.",
    ),
    "MM408": Code(
        "success is under the limit",
        "`stat --fail-below` found a service, or a route, with a lower share of answers that are not 5xx.\n"
        "Those without traffic are not counted. Exit code 1.",
    ),
    "MM409": Code(
        "the mesh refused",
        "The running mesh understood the command and said no; the message is its own. Exit code 1.",
    ),
    "MM410": Code(
        "nothing of this name to explain",
        "`minimesh explain` knows the keys of minimesh.toml (timeout, services.*.restart.backoff), the codes of\n"
        "errors (MM401) and the reasons of answers that the mesh made (the word after x-minimesh-reason:\n"
        "upstream_refused). Exit code 2.",
    ),
    "MM430": Code(
        "the mesh was not upgraded",
        "The program that is installed did not start, could not read minimesh.toml, or reads no state of the one\n"
        "that runs; the message says which. Nothing was touched: the mesh and its services go on, with the program\n"
        "that they had. `minimesh upgrade --check` tries the same and changes nothing. Exit code 1.",
    ),
    "MM411": Code(
        "a file cannot be read or written",
        "The operating system said no; the message has its words. Exit code 1.",
    ),
    "MM412": Code(
        "no minimesh.toml here or above",
        "The command needs a project, which is a folder with a minimesh.toml. Go to it, or name it with -f or -p.\n"
        "`minimesh init` writes one; `minimesh run --port 3000 -- npm start` needs none. Exit code 2.",
    ),
    "MM413": Code(
        "one does not call the other",
        "`describe SVC --from A` tells how A reaches SVC, and it does not: a service may call those that it has in\n"
        "`depends_on` or `calls`, and the gateway those that a route leads to. Exit code 2.",
    ),
    "MM414": Code(
        "the mesh does not answer",
        "A mesh has this folder, but nobody answers at its control socket: it begins just now, or is about to end, or\n"
        "its socket in .minimesh was removed while it ran (`git clean -fdx` does that). Services and traffic go on.\n"
        "\n`minimesh down` stops it without its socket, then `minimesh up` starts it again. Exit code 3.",
    ),
    "MM415": Code(
        "no provider takes such a token",
        "`minimesh token` signs for a provider of [auth.*] that says `jwt = { dev = true }`, and there is none, or\n"
        "not of the name after --for, or there are several that want different audiences. Exit code 2.",
    ),
    "MM420": Code(
        "a file of another tool cannot be understood",
        "`minimesh init` reads compose files, Procfiles, process-compose.yaml, dapr.yaml and package.json, and one\n"
        "of them is not well-formed, or not what its name says. Nothing was written.\n"
        "\nMend the line, or leave the file aside: `minimesh init --from procfile` reads that kind alone, and\n"
        "`minimesh init --from empty` reads nothing. Exit code 2.",
    ),
    "MM421": Code(
        "nothing to start from",
        "`minimesh init --from KIND` found no file of that kind in this folder, or no service in it that\n"
        "minimesh.toml could have. Without --from it takes whatever is there. Exit code 2.",
    ),
    "MM500": Code(
        "minimesh made a mistake",
        "This is a bug in minimesh, not in your project. The same command with MINIMESH_DEBUG=1\n"
        "shows where. Exit code 1.",
    ),
}
