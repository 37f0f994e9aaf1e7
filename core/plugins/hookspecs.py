"""The hooks of gandem: everything a plugin can add.

A plugin is a module, or an object in one, that an installed distribution names in the entry-point
group ``gandem``. Its hooks are functions of the names below, marked with ``@gandem.hookimpl``.
``docs/plugins.md`` shows each of them in use.

Every command that reads the registry calls each hook once per process, without arguments. A hook
returns entries: facts and strings. It must not import a framework, read data, print or use the
registry; the ``target`` of an entry is imported when the entry is used. Ids carry the prefix of
the plugin, ``acme/wgan``. A hook that raises adds nothing, and an entry that is not valid is left
out; ``gandem plugins list`` reports both, and everything else works.
"""

from __future__ import annotations

from collections.abc import Iterable

import pluggy

from gandem.core.plugins.entry import Entry

hookspec = pluggy.HookspecMarker("gandem")
hookimpl = pluggy.HookimplMarker("gandem")


@hookspec
def gandem_models() -> Iterable[Entry]:  # type: ignore[empty-body]
    """Return entries of models.

    The target is a function with keyword parameters, each with a default, that returns a
    :class:`gandem.core.specs.Spec`. Equal arguments must give equal specs.
    """


@hookspec
def gandem_layers() -> Iterable[Entry]:  # type: ignore[empty-body]
    """Return entries of layers, which are composed of gandem's own and so run on every backend.

    The target is a function with keyword parameters that returns a layer of
    :mod:`gandem.core.specs` or a sequence of them, at most 1,000. It is called for each
    ``kind = "acme/res-block"`` while a spec file or a setting is read; the spec holds what it
    returns. A parameter that is a list of layers receives layers. Equal arguments must give equal
    layers. Layers get no name unless the function takes one.
    """


@hookspec
def gandem_schedules() -> Iterable[Entry]:  # type: ignore[empty-body]
    """Return entries of schedules, which are composed of gandem's own.

    The target is a function with keyword parameters that returns a schedule of
    :mod:`gandem.core.specs`, or a number. It is called for each ``{schedule = "acme/one-cycle"}``
    while a spec file or a setting is read; the spec holds what it returns. Equal arguments must
    give equal schedules.
    """


@hookspec
def gandem_backends() -> Iterable[Entry]:  # type: ignore[empty-body]
    """Return entries of backends.

    The target is a function without parameters that returns a
    :class:`gandem.core.training.Backend`. It is called only where the modules in ``requires`` are
    installed, and may import the framework.
    """


@hookspec
def gandem_datasets() -> Iterable[Entry]:  # type: ignore[empty-body]
    """Return entries of data sets.

    The target is a function ``(argument: str, data_dir: Path | None)`` that returns a
    :class:`gandem.core.data.dataset.Dataset`; ``argument`` is what follows the colon in ``--data
    name:argument``. It is called once per training, may download, and must return the same images
    in the same order each time.
    """


@hookspec
def gandem_losses() -> Iterable[Entry]:  # type: ignore[empty-body]
    """Return entries of losses.

    The target is a class without parameters that implements
    :class:`gandem.core.training.AdversarialLoss`, or :class:`gandem.core.training.PairedLoss` if it
    compares real with fake images. Backends compile its methods: they must only compute, with the
    tensor functions they receive.
    """


@hookspec
def gandem_extractors() -> Iterable[Entry]:  # type: ignore[empty-body]
    """Return entries of feature extractors.

    The target is a function ``(argument: str, backend: str)`` that returns a
    :class:`gandem.core.data.features.Extractor`. ``argument`` is what follows the colon in
    ``--extractor name:argument``; ``backend`` is the id of an installed backend, for extractors
    that run on any. It is called once per command, may download, and must give equal features for
    equal images.
    """


@hookspec
def gandem_metrics() -> Iterable[Entry]:  # type: ignore[empty-body]
    """Return entries of metrics, which ``gandem evaluate`` computes beside its own.

    The target is a function ``(real: Features, fake: Features) -> float`` of
    :class:`gandem.core.data.features.Features`, with the features of equally many real and
    generated images. It is called once for every scored checkpoint, and once with other real
    images as ``fake`` for the real baseline. Equal features must give equal values.
    """


@hookspec
def gandem_launchers() -> Iterable[Entry]:  # type: ignore[empty-body]
    """Return entries of launchers, which run the trainings of ``gandem compare``.

    The target is a function ``(workers: int, address: str | None, folder: Path)`` that returns a
    :class:`gandem.compare.Launcher`, which may keep files of its own in the folder. It is called
    once per command. Jobs are plain data, each a few ``gandem`` commands; the processes that run
    them must see the same files under the same paths.
    """


@hookspec
def gandem_callbacks() -> Iterable[Entry]:  # type: ignore[empty-body]
    """Return entries of callbacks, which are notified during every training.

    The target is a class without parameters, a subclass of :class:`gandem.Callback`; each training
    makes an instance. Entries whose ``requires`` are not installed are skipped. The methods are
    called on the thread that trains, so they must be quick. The first error mutes the callback for
    the rest of that training and is reported once.
    """


@hookspec
def gandem_exporters() -> Iterable[Entry]:  # type: ignore[empty-body]
    """Return entries of exporters, the formats of ``gandem export``.

    The target is a class without parameters, a subclass of :class:`gandem.core.export.Exporter`.
    It writes a network, which it receives as data, and loads the file to run it without gandem's
    code; gandem compares the result with the run and moves the file into place. The modules in
    ``requires`` are those that the format needs.
    """


@hookspec
def gandem_pretrained() -> Iterable[Entry]:  # type: ignore[empty-body]
    """Return entries of pretrained models, which are opened by their id, ``"acme/dcgan@faces"``.

    The target is the :class:`pathlib.Path` of a folder, whose subfolder ``dcgan@faces`` is what
    :meth:`gandem.core.runs.Run.save_pretrained` wrote; ``sha256`` is the hash of the file
    ``model.safetensors`` in it. It is read once per opened model.
    """
