"""Commands of the training room: each imports what it runs, since torch takes seconds to load."""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from training.config import Config

if TYPE_CHECKING:
    from training.damage import DamageRun
    from training.detail import DetailRun
    from training.haze import HazeRun
    from training.scene import SceneRun


def pack(options: argparse.Namespace, config: Config) -> None:
    """Pack photos into one flat file."""
    from training.photos import pack

    if options.tiers:
        config = replace(config, data=replace(config.data, tiers=options.tiers))
    pack(options.photos, options.work, config)


def debian_photos(options: argparse.Namespace, _config: Config) -> None:
    """Fetch the photographs among Debian's wallpapers."""
    from training.debian import debian_photos

    debian_photos(options.out)


def fit_autoencoder(options: argparse.Namespace, config: Config) -> None:
    """Fit the lapped patch transform."""
    from training.autoencoder import fit_autoencoder

    fit_autoencoder(options.work, config, lapped=not options.no_lapping)


def compare(options: argparse.Namespace, config: Config) -> None:
    """Compare autoencoders."""
    from training.compare import compare

    compare(options.work, config, options.minutes, options.taef2)


def train(options: argparse.Namespace, config: Config) -> None:
    """Train the bundled prior, or go on training."""
    from training.train import Run

    Run(options.work, config).train(options.minutes, options.cool_down)


def export_detail(options: argparse.Namespace, config: Config) -> None:
    """Write the denoiser, and put it into the model if asked to."""
    from training.detail_export import export_detail, ship_detail

    export_detail(options.work, options.out, config, options.model)
    if options.ship:
        ship_detail(options.out, options.model)


def curve(options: argparse.Namespace, _config: Config) -> None:
    """Print what training has brought."""
    from training.curve import print_curve

    print_curve(options.work)


def fit_level(options: argparse.Namespace, config: Config) -> None:
    """Fit one of the levels that good photos have."""
    from training.scene_levels import FITS, fit_level

    fit_level(FITS[options.level], options.work, options.out, config)


def fit_casts(options: argparse.Namespace, _config: Config) -> None:
    """Fit casts and fading."""
    from training.casts import fit_casts

    fit_casts(options.photos, options.out, options.every)


def fit_judge(options: argparse.Namespace, config: Config) -> None:
    """Fit one of the judges that ship as JSON."""
    from training.correlated_noise import CORRELATED_NOISE
    from training.logistic import fit_judge
    from training.noise_detection import NOISE_DETECTION
    from training.tone import TONE

    judges = {
        "tone": TONE,
        "correlated-noise": CORRELATED_NOISE,
        "noise-detection": NOISE_DETECTION,
    }
    fit_judge(judges[options.judge], options.work, options.out, config)


def evaluate(options: argparse.Namespace, config: Config) -> None:
    """Measure a model."""
    from training.evaluate import evaluate

    evaluate(options.work, options.out, config, options.model, options.photos)


def export(options: argparse.Namespace, config: Config) -> None:
    """Write the model that ships."""
    from training.export import export

    export(options.work, options.out, config, untrained=options.untrained)


def pack_scenes(options: argparse.Namespace, _config: Config) -> None:
    """Pack crops of photos."""
    from training.scene_pack import pack_scenes

    pack_scenes(options.photos, _scenes(options))


def convert_encoder(options: argparse.Namespace, _config: Config) -> None:
    """Convert the published encoder."""
    from training.encoder import convert_encoder

    convert_encoder(options.out)


def convert_ffdnet(options: argparse.Namespace, _config: Config) -> None:
    """Convert the published FFDNet."""
    from training.ffdnet import convert_ffdnet

    convert_ffdnet(options.out)


def convert_faces(options: argparse.Namespace, _config: Config) -> None:
    """Convert the published detector of faces."""
    from training.faces import convert_faces

    convert_faces(options.out)


def fit_expectation(options: argparse.Namespace, _config: Config) -> None:
    """Fit what good photos of a scene have."""
    from training.expectation import EPOCHS, fit_expectation

    fit_expectation(_scenes(options), options.out, options.epochs or EPOCHS)


def fit_recogniser(options: argparse.Namespace, _config: Config) -> None:
    """Fit findings, maps and what is no photo."""
    from ldrps_engine.analysis.expectation import MODEL
    from training.recogniser import EPOCHS, fit_recogniser

    expectation = options.expectation or MODEL
    fit_recogniser(_scenes(options), options.out, expectation, options.epochs or EPOCHS)


def export_scene(options: argparse.Namespace, _config: Config) -> None:
    """Write the scene expert that ships."""
    from training.scene_export import export_scene

    export_scene(_scenes(options), options.out)


def detail_run(options: argparse.Namespace, config: Config) -> DetailRun:
    """Open the run of the denoiser."""
    from training.detail import DetailRun

    return DetailRun(options.work, config, options.model, options.warm)


def scene_run(options: argparse.Namespace, _config: Config) -> SceneRun:
    """Open the run of the scene expert."""
    from training.scene import SceneRun, SceneTraining

    return SceneRun(_scenes(options), SceneTraining(), options.warm)


def damage_run(options: argparse.Namespace, config: Config) -> DamageRun:
    """Open the run of the finder of damage."""
    from training.damage import DamageRun, DamageTraining

    return DamageRun(options.work / "damage", config, DamageTraining(), options.warm)


def haze_run(options: argparse.Namespace, config: Config) -> HazeRun:
    """Open the run of the judge of haze."""
    from training.haze import HazeRun, HazeTraining

    return HazeRun(options.work / "haze", config, HazeTraining(), options.warm)


def train_network(options: argparse.Namespace, config: Config) -> None:
    """Train the network that a command is about."""
    options.open(options, config).train(options.minutes, options.cool_down)


def export_network(options: argparse.Namespace, config: Config) -> None:
    """Export the network that a command is about."""
    options.open(options, config).export(options.out)


def _scenes(options: argparse.Namespace) -> Path:
    """Folder of the pack of crops, and of all that is made from it."""
    return Path(options.work / "scenes")
