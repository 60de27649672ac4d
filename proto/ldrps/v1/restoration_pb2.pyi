from google.protobuf import descriptor_pb2 as _descriptor_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class FileFormat(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    FILE_FORMAT_UNSPECIFIED: _ClassVar[FileFormat]
    FILE_FORMAT_PNG: _ClassVar[FileFormat]
    FILE_FORMAT_JPEG: _ClassVar[FileFormat]
    FILE_FORMAT_TIFF: _ClassVar[FileFormat]
    FILE_FORMAT_WEBP: _ClassVar[FileFormat]

class Channels(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    CHANNELS_UNSPECIFIED: _ClassVar[Channels]
    CHANNELS_GREY: _ClassVar[Channels]
    CHANNELS_GREY_ALPHA: _ClassVar[Channels]
    CHANNELS_RGB: _ClassVar[Channels]
    CHANNELS_RGBA: _ClassVar[Channels]

class SampleType(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    SAMPLE_TYPE_UNSPECIFIED: _ClassVar[SampleType]
    SAMPLE_TYPE_U8: _ClassVar[SampleType]
    SAMPLE_TYPE_U16: _ClassVar[SampleType]
    SAMPLE_TYPE_F16: _ClassVar[SampleType]
    SAMPLE_TYPE_F32: _ClassVar[SampleType]

class Priority(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    PRIORITY_UNSPECIFIED: _ClassVar[Priority]
    PRIORITY_INTERACTIVE: _ClassVar[Priority]
    PRIORITY_BATCH: _ClassVar[Priority]

class JobState(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    JOB_STATE_UNSPECIFIED: _ClassVar[JobState]
    JOB_STATE_QUEUED: _ClassVar[JobState]
    JOB_STATE_RUNNING: _ClassVar[JobState]
    JOB_STATE_DONE: _ClassVar[JobState]
    JOB_STATE_FAILED: _ClassVar[JobState]
    JOB_STATE_CANCELLED: _ClassVar[JobState]

class WorkerState(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    WORKER_STATE_UNSPECIFIED: _ClassVar[WorkerState]
    WORKER_STATE_ASLEEP: _ClassVar[WorkerState]
    WORKER_STATE_STARTING: _ClassVar[WorkerState]
    WORKER_STATE_IDLE: _ClassVar[WorkerState]
    WORKER_STATE_BUSY: _ClassVar[WorkerState]
    WORKER_STATE_RESTING: _ClassVar[WorkerState]
FILE_FORMAT_UNSPECIFIED: FileFormat
FILE_FORMAT_PNG: FileFormat
FILE_FORMAT_JPEG: FileFormat
FILE_FORMAT_TIFF: FileFormat
FILE_FORMAT_WEBP: FileFormat
CHANNELS_UNSPECIFIED: Channels
CHANNELS_GREY: Channels
CHANNELS_GREY_ALPHA: Channels
CHANNELS_RGB: Channels
CHANNELS_RGBA: Channels
SAMPLE_TYPE_UNSPECIFIED: SampleType
SAMPLE_TYPE_U8: SampleType
SAMPLE_TYPE_U16: SampleType
SAMPLE_TYPE_F16: SampleType
SAMPLE_TYPE_F32: SampleType
PRIORITY_UNSPECIFIED: Priority
PRIORITY_INTERACTIVE: Priority
PRIORITY_BATCH: Priority
JOB_STATE_UNSPECIFIED: JobState
JOB_STATE_QUEUED: JobState
JOB_STATE_RUNNING: JobState
JOB_STATE_DONE: JobState
JOB_STATE_FAILED: JobState
JOB_STATE_CANCELLED: JobState
WORKER_STATE_UNSPECIFIED: WorkerState
WORKER_STATE_ASLEEP: WorkerState
WORKER_STATE_STARTING: WorkerState
WORKER_STATE_IDLE: WorkerState
WORKER_STATE_BUSY: WorkerState
WORKER_STATE_RESTING: WorkerState
MAX_LENGTH_FIELD_NUMBER: _ClassVar[int]
max_length: _descriptor.FieldDescriptor
MAX_ITEMS_FIELD_NUMBER: _ClassVar[int]
max_items: _descriptor.FieldDescriptor

class ListModelsRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class ListModelsResponse(_message.Message):
    __slots__ = ("models",)
    MODELS_FIELD_NUMBER: _ClassVar[int]
    models: _containers.RepeatedCompositeFieldContainer[Model]
    def __init__(self, models: _Optional[_Iterable[_Union[Model, _Mapping]]] = ...) -> None: ...

class Model(_message.Message):
    __slots__ = ("name", "kind", "family", "title", "repository", "revision", "bytes", "memory_bytes", "licence", "terms", "accept", "page", "view", "installed", "devices")
    NAME_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    FAMILY_FIELD_NUMBER: _ClassVar[int]
    TITLE_FIELD_NUMBER: _ClassVar[int]
    REPOSITORY_FIELD_NUMBER: _ClassVar[int]
    REVISION_FIELD_NUMBER: _ClassVar[int]
    BYTES_FIELD_NUMBER: _ClassVar[int]
    MEMORY_BYTES_FIELD_NUMBER: _ClassVar[int]
    LICENCE_FIELD_NUMBER: _ClassVar[int]
    TERMS_FIELD_NUMBER: _ClassVar[int]
    ACCEPT_FIELD_NUMBER: _ClassVar[int]
    PAGE_FIELD_NUMBER: _ClassVar[int]
    VIEW_FIELD_NUMBER: _ClassVar[int]
    INSTALLED_FIELD_NUMBER: _ClassVar[int]
    DEVICES_FIELD_NUMBER: _ClassVar[int]
    name: str
    kind: str
    family: str
    title: str
    repository: str
    revision: str
    bytes: int
    memory_bytes: int
    licence: str
    terms: str
    accept: bool
    page: str
    view: int
    installed: bool
    devices: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, name: _Optional[str] = ..., kind: _Optional[str] = ..., family: _Optional[str] = ..., title: _Optional[str] = ..., repository: _Optional[str] = ..., revision: _Optional[str] = ..., bytes: _Optional[int] = ..., memory_bytes: _Optional[int] = ..., licence: _Optional[str] = ..., terms: _Optional[str] = ..., accept: _Optional[bool] = ..., page: _Optional[str] = ..., view: _Optional[int] = ..., installed: _Optional[bool] = ..., devices: _Optional[_Iterable[str]] = ...) -> None: ...

class ModelRequest(_message.Message):
    __slots__ = ("name",)
    NAME_FIELD_NUMBER: _ClassVar[int]
    name: str
    def __init__(self, name: _Optional[str] = ...) -> None: ...

class ModelProgress(_message.Message):
    __slots__ = ("file", "done_bytes", "total_bytes")
    FILE_FIELD_NUMBER: _ClassVar[int]
    DONE_BYTES_FIELD_NUMBER: _ClassVar[int]
    TOTAL_BYTES_FIELD_NUMBER: _ClassVar[int]
    file: str
    done_bytes: int
    total_bytes: int
    def __init__(self, file: _Optional[str] = ..., done_bytes: _Optional[int] = ..., total_bytes: _Optional[int] = ...) -> None: ...

class SubmitRequest(_message.Message):
    __slots__ = ("header", "chunk")
    HEADER_FIELD_NUMBER: _ClassVar[int]
    CHUNK_FIELD_NUMBER: _ClassVar[int]
    header: SubmitHeader
    chunk: bytes
    def __init__(self, header: _Optional[_Union[SubmitHeader, _Mapping]] = ..., chunk: _Optional[bytes] = ...) -> None: ...

class SubmitHeader(_message.Message):
    __slots__ = ("settings", "raster", "file", "idempotency_key", "priority", "detached", "diagnose_only", "deadline_seconds", "result_format", "damage", "crop")
    SETTINGS_FIELD_NUMBER: _ClassVar[int]
    RASTER_FIELD_NUMBER: _ClassVar[int]
    FILE_FIELD_NUMBER: _ClassVar[int]
    IDEMPOTENCY_KEY_FIELD_NUMBER: _ClassVar[int]
    PRIORITY_FIELD_NUMBER: _ClassVar[int]
    DETACHED_FIELD_NUMBER: _ClassVar[int]
    DIAGNOSE_ONLY_FIELD_NUMBER: _ClassVar[int]
    DEADLINE_SECONDS_FIELD_NUMBER: _ClassVar[int]
    RESULT_FORMAT_FIELD_NUMBER: _ClassVar[int]
    DAMAGE_FIELD_NUMBER: _ClassVar[int]
    CROP_FIELD_NUMBER: _ClassVar[int]
    settings: Settings
    raster: Raster
    file: EncodedFile
    idempotency_key: str
    priority: Priority
    detached: bool
    diagnose_only: bool
    deadline_seconds: float
    result_format: FileFormat
    damage: Mask
    crop: Rectangle
    def __init__(self, settings: _Optional[_Union[Settings, _Mapping]] = ..., raster: _Optional[_Union[Raster, _Mapping]] = ..., file: _Optional[_Union[EncodedFile, _Mapping]] = ..., idempotency_key: _Optional[str] = ..., priority: _Optional[_Union[Priority, str]] = ..., detached: _Optional[bool] = ..., diagnose_only: _Optional[bool] = ..., deadline_seconds: _Optional[float] = ..., result_format: _Optional[_Union[FileFormat, str]] = ..., damage: _Optional[_Union[Mask, _Mapping]] = ..., crop: _Optional[_Union[Rectangle, _Mapping]] = ...) -> None: ...

class Mask(_message.Message):
    __slots__ = ("width", "height", "rows")
    WIDTH_FIELD_NUMBER: _ClassVar[int]
    HEIGHT_FIELD_NUMBER: _ClassVar[int]
    ROWS_FIELD_NUMBER: _ClassVar[int]
    width: int
    height: int
    rows: bytes
    def __init__(self, width: _Optional[int] = ..., height: _Optional[int] = ..., rows: _Optional[bytes] = ...) -> None: ...

class Raster(_message.Message):
    __slots__ = ("width", "height", "channels", "sample_type", "icc_profile")
    WIDTH_FIELD_NUMBER: _ClassVar[int]
    HEIGHT_FIELD_NUMBER: _ClassVar[int]
    CHANNELS_FIELD_NUMBER: _ClassVar[int]
    SAMPLE_TYPE_FIELD_NUMBER: _ClassVar[int]
    ICC_PROFILE_FIELD_NUMBER: _ClassVar[int]
    width: int
    height: int
    channels: Channels
    sample_type: SampleType
    icc_profile: bytes
    def __init__(self, width: _Optional[int] = ..., height: _Optional[int] = ..., channels: _Optional[_Union[Channels, str]] = ..., sample_type: _Optional[_Union[SampleType, str]] = ..., icc_profile: _Optional[bytes] = ...) -> None: ...

class EncodedFile(_message.Message):
    __slots__ = ("size",)
    SIZE_FIELD_NUMBER: _ClassVar[int]
    size: int
    def __init__(self, size: _Optional[int] = ...) -> None: ...

class Settings(_message.Message):
    __slots__ = ("recipe", "strength", "description", "recurrences", "steps", "seed", "model", "noise_sigma", "layers", "describer", "solver", "allow_colour", "damage", "amounts")
    RECIPE_FIELD_NUMBER: _ClassVar[int]
    STRENGTH_FIELD_NUMBER: _ClassVar[int]
    DESCRIPTION_FIELD_NUMBER: _ClassVar[int]
    RECURRENCES_FIELD_NUMBER: _ClassVar[int]
    STEPS_FIELD_NUMBER: _ClassVar[int]
    SEED_FIELD_NUMBER: _ClassVar[int]
    MODEL_FIELD_NUMBER: _ClassVar[int]
    NOISE_SIGMA_FIELD_NUMBER: _ClassVar[int]
    LAYERS_FIELD_NUMBER: _ClassVar[int]
    DESCRIBER_FIELD_NUMBER: _ClassVar[int]
    SOLVER_FIELD_NUMBER: _ClassVar[int]
    ALLOW_COLOUR_FIELD_NUMBER: _ClassVar[int]
    DAMAGE_FIELD_NUMBER: _ClassVar[int]
    AMOUNTS_FIELD_NUMBER: _ClassVar[int]
    recipe: str
    strength: float
    description: str
    recurrences: int
    steps: int
    seed: int
    model: str
    noise_sigma: float
    layers: _containers.RepeatedScalarFieldContainer[str]
    describer: str
    solver: str
    allow_colour: bool
    damage: str
    amounts: Amounts
    def __init__(self, recipe: _Optional[str] = ..., strength: _Optional[float] = ..., description: _Optional[str] = ..., recurrences: _Optional[int] = ..., steps: _Optional[int] = ..., seed: _Optional[int] = ..., model: _Optional[str] = ..., noise_sigma: _Optional[float] = ..., layers: _Optional[_Iterable[str]] = ..., describer: _Optional[str] = ..., solver: _Optional[str] = ..., allow_colour: _Optional[bool] = ..., damage: _Optional[str] = ..., amounts: _Optional[_Union[Amounts, _Mapping]] = ...) -> None: ...

class Amounts(_message.Message):
    __slots__ = ("damage", "noise", "haze", "light", "cast", "colour")
    DAMAGE_FIELD_NUMBER: _ClassVar[int]
    NOISE_FIELD_NUMBER: _ClassVar[int]
    HAZE_FIELD_NUMBER: _ClassVar[int]
    LIGHT_FIELD_NUMBER: _ClassVar[int]
    CAST_FIELD_NUMBER: _ClassVar[int]
    COLOUR_FIELD_NUMBER: _ClassVar[int]
    damage: float
    noise: float
    haze: float
    light: float
    cast: float
    colour: float
    def __init__(self, damage: _Optional[float] = ..., noise: _Optional[float] = ..., haze: _Optional[float] = ..., light: _Optional[float] = ..., cast: _Optional[float] = ..., colour: _Optional[float] = ...) -> None: ...

class SubmitResponse(_message.Message):
    __slots__ = ("job_id", "position", "existing")
    JOB_ID_FIELD_NUMBER: _ClassVar[int]
    POSITION_FIELD_NUMBER: _ClassVar[int]
    EXISTING_FIELD_NUMBER: _ClassVar[int]
    job_id: str
    position: int
    existing: bool
    def __init__(self, job_id: _Optional[str] = ..., position: _Optional[int] = ..., existing: _Optional[bool] = ...) -> None: ...

class WatchRequest(_message.Message):
    __slots__ = ("job_id", "from_event", "previews")
    JOB_ID_FIELD_NUMBER: _ClassVar[int]
    FROM_EVENT_FIELD_NUMBER: _ClassVar[int]
    PREVIEWS_FIELD_NUMBER: _ClassVar[int]
    job_id: str
    from_event: int
    previews: bool
    def __init__(self, job_id: _Optional[str] = ..., from_event: _Optional[int] = ..., previews: _Optional[bool] = ...) -> None: ...

class Event(_message.Message):
    __slots__ = ("number", "queued", "loading", "diagnosis", "description", "step", "preview", "layer_header", "layer_chunk", "done", "failed", "cancelled")
    NUMBER_FIELD_NUMBER: _ClassVar[int]
    QUEUED_FIELD_NUMBER: _ClassVar[int]
    LOADING_FIELD_NUMBER: _ClassVar[int]
    DIAGNOSIS_FIELD_NUMBER: _ClassVar[int]
    DESCRIPTION_FIELD_NUMBER: _ClassVar[int]
    STEP_FIELD_NUMBER: _ClassVar[int]
    PREVIEW_FIELD_NUMBER: _ClassVar[int]
    LAYER_HEADER_FIELD_NUMBER: _ClassVar[int]
    LAYER_CHUNK_FIELD_NUMBER: _ClassVar[int]
    DONE_FIELD_NUMBER: _ClassVar[int]
    FAILED_FIELD_NUMBER: _ClassVar[int]
    CANCELLED_FIELD_NUMBER: _ClassVar[int]
    number: int
    queued: Queued
    loading: Loading
    diagnosis: Diagnosis
    description: Description
    step: Step
    preview: Preview
    layer_header: LayerHeader
    layer_chunk: LayerChunk
    done: Done
    failed: Failed
    cancelled: Cancelled
    def __init__(self, number: _Optional[int] = ..., queued: _Optional[_Union[Queued, _Mapping]] = ..., loading: _Optional[_Union[Loading, _Mapping]] = ..., diagnosis: _Optional[_Union[Diagnosis, _Mapping]] = ..., description: _Optional[_Union[Description, _Mapping]] = ..., step: _Optional[_Union[Step, _Mapping]] = ..., preview: _Optional[_Union[Preview, _Mapping]] = ..., layer_header: _Optional[_Union[LayerHeader, _Mapping]] = ..., layer_chunk: _Optional[_Union[LayerChunk, _Mapping]] = ..., done: _Optional[_Union[Done, _Mapping]] = ..., failed: _Optional[_Union[Failed, _Mapping]] = ..., cancelled: _Optional[_Union[Cancelled, _Mapping]] = ...) -> None: ...

class Queued(_message.Message):
    __slots__ = ("position", "estimated_seconds", "why")
    POSITION_FIELD_NUMBER: _ClassVar[int]
    ESTIMATED_SECONDS_FIELD_NUMBER: _ClassVar[int]
    WHY_FIELD_NUMBER: _ClassVar[int]
    position: int
    estimated_seconds: float
    why: str
    def __init__(self, position: _Optional[int] = ..., estimated_seconds: _Optional[float] = ..., why: _Optional[str] = ...) -> None: ...

class Loading(_message.Message):
    __slots__ = ("model", "fraction")
    MODEL_FIELD_NUMBER: _ClassVar[int]
    FRACTION_FIELD_NUMBER: _ClassVar[int]
    model: str
    fraction: float
    def __init__(self, model: _Optional[str] = ..., fraction: _Optional[float] = ...) -> None: ...

class Diagnosis(_message.Message):
    __slots__ = ("noise_sigma", "haze", "darkness", "cast", "grey", "words", "inner", "graphic", "probabilities", "hot_pixels", "blocks", "toned", "damage", "damage_kinds", "amounts")
    NOISE_SIGMA_FIELD_NUMBER: _ClassVar[int]
    HAZE_FIELD_NUMBER: _ClassVar[int]
    DARKNESS_FIELD_NUMBER: _ClassVar[int]
    CAST_FIELD_NUMBER: _ClassVar[int]
    GREY_FIELD_NUMBER: _ClassVar[int]
    WORDS_FIELD_NUMBER: _ClassVar[int]
    INNER_FIELD_NUMBER: _ClassVar[int]
    GRAPHIC_FIELD_NUMBER: _ClassVar[int]
    PROBABILITIES_FIELD_NUMBER: _ClassVar[int]
    HOT_PIXELS_FIELD_NUMBER: _ClassVar[int]
    BLOCKS_FIELD_NUMBER: _ClassVar[int]
    TONED_FIELD_NUMBER: _ClassVar[int]
    DAMAGE_FIELD_NUMBER: _ClassVar[int]
    DAMAGE_KINDS_FIELD_NUMBER: _ClassVar[int]
    AMOUNTS_FIELD_NUMBER: _ClassVar[int]
    noise_sigma: float
    haze: float
    darkness: float
    cast: float
    grey: bool
    words: str
    inner: Rectangle
    graphic: bool
    probabilities: _containers.RepeatedCompositeFieldContainer[Probability]
    hot_pixels: int
    blocks: float
    toned: bool
    damage: float
    damage_kinds: _containers.RepeatedScalarFieldContainer[str]
    amounts: Amounts
    def __init__(self, noise_sigma: _Optional[float] = ..., haze: _Optional[float] = ..., darkness: _Optional[float] = ..., cast: _Optional[float] = ..., grey: _Optional[bool] = ..., words: _Optional[str] = ..., inner: _Optional[_Union[Rectangle, _Mapping]] = ..., graphic: _Optional[bool] = ..., probabilities: _Optional[_Iterable[_Union[Probability, _Mapping]]] = ..., hot_pixels: _Optional[int] = ..., blocks: _Optional[float] = ..., toned: _Optional[bool] = ..., damage: _Optional[float] = ..., damage_kinds: _Optional[_Iterable[str]] = ..., amounts: _Optional[_Union[Amounts, _Mapping]] = ...) -> None: ...

class Probability(_message.Message):
    __slots__ = ("finding", "probability")
    FINDING_FIELD_NUMBER: _ClassVar[int]
    PROBABILITY_FIELD_NUMBER: _ClassVar[int]
    finding: str
    probability: float
    def __init__(self, finding: _Optional[str] = ..., probability: _Optional[float] = ...) -> None: ...

class Rectangle(_message.Message):
    __slots__ = ("left", "top", "width", "height")
    LEFT_FIELD_NUMBER: _ClassVar[int]
    TOP_FIELD_NUMBER: _ClassVar[int]
    WIDTH_FIELD_NUMBER: _ClassVar[int]
    HEIGHT_FIELD_NUMBER: _ClassVar[int]
    left: int
    top: int
    width: int
    height: int
    def __init__(self, left: _Optional[int] = ..., top: _Optional[int] = ..., width: _Optional[int] = ..., height: _Optional[int] = ...) -> None: ...

class Description(_message.Message):
    __slots__ = ("text", "source", "remarks")
    TEXT_FIELD_NUMBER: _ClassVar[int]
    SOURCE_FIELD_NUMBER: _ClassVar[int]
    REMARKS_FIELD_NUMBER: _ClassVar[int]
    text: str
    source: str
    remarks: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, text: _Optional[str] = ..., source: _Optional[str] = ..., remarks: _Optional[_Iterable[str]] = ...) -> None: ...

class Step(_message.Message):
    __slots__ = ("stage", "index", "count", "seconds_left")
    STAGE_FIELD_NUMBER: _ClassVar[int]
    INDEX_FIELD_NUMBER: _ClassVar[int]
    COUNT_FIELD_NUMBER: _ClassVar[int]
    SECONDS_LEFT_FIELD_NUMBER: _ClassVar[int]
    stage: str
    index: int
    count: int
    seconds_left: float
    def __init__(self, stage: _Optional[str] = ..., index: _Optional[int] = ..., count: _Optional[int] = ..., seconds_left: _Optional[float] = ...) -> None: ...

class Preview(_message.Message):
    __slots__ = ("raster", "pixels")
    RASTER_FIELD_NUMBER: _ClassVar[int]
    PIXELS_FIELD_NUMBER: _ClassVar[int]
    raster: Raster
    pixels: bytes
    def __init__(self, raster: _Optional[_Union[Raster, _Mapping]] = ..., pixels: _Optional[bytes] = ...) -> None: ...

class LayerHeader(_message.Message):
    __slots__ = ("layer", "name", "raster", "file")
    LAYER_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    RASTER_FIELD_NUMBER: _ClassVar[int]
    FILE_FIELD_NUMBER: _ClassVar[int]
    layer: int
    name: str
    raster: Raster
    file: ResultFile
    def __init__(self, layer: _Optional[int] = ..., name: _Optional[str] = ..., raster: _Optional[_Union[Raster, _Mapping]] = ..., file: _Optional[_Union[ResultFile, _Mapping]] = ...) -> None: ...

class ResultFile(_message.Message):
    __slots__ = ("format", "size")
    FORMAT_FIELD_NUMBER: _ClassVar[int]
    SIZE_FIELD_NUMBER: _ClassVar[int]
    format: FileFormat
    size: int
    def __init__(self, format: _Optional[_Union[FileFormat, str]] = ..., size: _Optional[int] = ...) -> None: ...

class LayerChunk(_message.Message):
    __slots__ = ("layer", "data")
    LAYER_FIELD_NUMBER: _ClassVar[int]
    DATA_FIELD_NUMBER: _ClassVar[int]
    layer: int
    data: bytes
    def __init__(self, layer: _Optional[int] = ..., data: _Optional[bytes] = ...) -> None: ...

class Done(_message.Message):
    __slots__ = ("seconds", "model", "seed", "model_hash", "generated")
    SECONDS_FIELD_NUMBER: _ClassVar[int]
    MODEL_FIELD_NUMBER: _ClassVar[int]
    SEED_FIELD_NUMBER: _ClassVar[int]
    MODEL_HASH_FIELD_NUMBER: _ClassVar[int]
    GENERATED_FIELD_NUMBER: _ClassVar[int]
    seconds: float
    model: str
    seed: int
    model_hash: str
    generated: Generated
    def __init__(self, seconds: _Optional[float] = ..., model: _Optional[str] = ..., seed: _Optional[int] = ..., model_hash: _Optional[str] = ..., generated: _Optional[_Union[Generated, _Mapping]] = ...) -> None: ...

class Generated(_message.Message):
    __slots__ = ("mean", "maximum")
    MEAN_FIELD_NUMBER: _ClassVar[int]
    MAXIMUM_FIELD_NUMBER: _ClassVar[int]
    mean: float
    maximum: float
    def __init__(self, mean: _Optional[float] = ..., maximum: _Optional[float] = ...) -> None: ...

class Failed(_message.Message):
    __slots__ = ("reason", "message")
    REASON_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    reason: str
    message: str
    def __init__(self, reason: _Optional[str] = ..., message: _Optional[str] = ...) -> None: ...

class Cancelled(_message.Message):
    __slots__ = ("message",)
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    message: str
    def __init__(self, message: _Optional[str] = ...) -> None: ...

class Job(_message.Message):
    __slots__ = ("job_id", "state", "position", "settings", "width", "height", "submitted_at", "started_at", "ended_at", "step", "step_count", "reason", "message", "last_event", "priority", "detached", "client", "estimated_seconds", "crashes", "preemptions", "deadline_at")
    JOB_ID_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    POSITION_FIELD_NUMBER: _ClassVar[int]
    SETTINGS_FIELD_NUMBER: _ClassVar[int]
    WIDTH_FIELD_NUMBER: _ClassVar[int]
    HEIGHT_FIELD_NUMBER: _ClassVar[int]
    SUBMITTED_AT_FIELD_NUMBER: _ClassVar[int]
    STARTED_AT_FIELD_NUMBER: _ClassVar[int]
    ENDED_AT_FIELD_NUMBER: _ClassVar[int]
    STEP_FIELD_NUMBER: _ClassVar[int]
    STEP_COUNT_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    LAST_EVENT_FIELD_NUMBER: _ClassVar[int]
    PRIORITY_FIELD_NUMBER: _ClassVar[int]
    DETACHED_FIELD_NUMBER: _ClassVar[int]
    CLIENT_FIELD_NUMBER: _ClassVar[int]
    ESTIMATED_SECONDS_FIELD_NUMBER: _ClassVar[int]
    CRASHES_FIELD_NUMBER: _ClassVar[int]
    PREEMPTIONS_FIELD_NUMBER: _ClassVar[int]
    DEADLINE_AT_FIELD_NUMBER: _ClassVar[int]
    job_id: str
    state: JobState
    position: int
    settings: Settings
    width: int
    height: int
    submitted_at: float
    started_at: float
    ended_at: float
    step: int
    step_count: int
    reason: str
    message: str
    last_event: int
    priority: Priority
    detached: bool
    client: str
    estimated_seconds: float
    crashes: int
    preemptions: int
    deadline_at: float
    def __init__(self, job_id: _Optional[str] = ..., state: _Optional[_Union[JobState, str]] = ..., position: _Optional[int] = ..., settings: _Optional[_Union[Settings, _Mapping]] = ..., width: _Optional[int] = ..., height: _Optional[int] = ..., submitted_at: _Optional[float] = ..., started_at: _Optional[float] = ..., ended_at: _Optional[float] = ..., step: _Optional[int] = ..., step_count: _Optional[int] = ..., reason: _Optional[str] = ..., message: _Optional[str] = ..., last_event: _Optional[int] = ..., priority: _Optional[_Union[Priority, str]] = ..., detached: _Optional[bool] = ..., client: _Optional[str] = ..., estimated_seconds: _Optional[float] = ..., crashes: _Optional[int] = ..., preemptions: _Optional[int] = ..., deadline_at: _Optional[float] = ...) -> None: ...

class CancelRequest(_message.Message):
    __slots__ = ("job_id",)
    JOB_ID_FIELD_NUMBER: _ClassVar[int]
    job_id: str
    def __init__(self, job_id: _Optional[str] = ...) -> None: ...

class GetJobRequest(_message.Message):
    __slots__ = ("job_id",)
    JOB_ID_FIELD_NUMBER: _ClassVar[int]
    job_id: str
    def __init__(self, job_id: _Optional[str] = ...) -> None: ...

class ListJobsRequest(_message.Message):
    __slots__ = ("limit",)
    LIMIT_FIELD_NUMBER: _ClassVar[int]
    limit: int
    def __init__(self, limit: _Optional[int] = ...) -> None: ...

class ListJobsResponse(_message.Message):
    __slots__ = ("jobs",)
    JOBS_FIELD_NUMBER: _ClassVar[int]
    jobs: _containers.RepeatedCompositeFieldContainer[Job]
    def __init__(self, jobs: _Optional[_Iterable[_Union[Job, _Mapping]]] = ...) -> None: ...

class StatusRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class StatusResponse(_message.Message):
    __slots__ = ("version", "pid", "uptime_seconds", "queued", "running", "queue_limit", "workers", "address", "spool_bytes", "spool_limit", "watchers", "connections", "done", "failed", "cancelled", "crashes", "preemptions", "stopping", "nodes", "remarks")
    VERSION_FIELD_NUMBER: _ClassVar[int]
    PID_FIELD_NUMBER: _ClassVar[int]
    UPTIME_SECONDS_FIELD_NUMBER: _ClassVar[int]
    QUEUED_FIELD_NUMBER: _ClassVar[int]
    RUNNING_FIELD_NUMBER: _ClassVar[int]
    QUEUE_LIMIT_FIELD_NUMBER: _ClassVar[int]
    WORKERS_FIELD_NUMBER: _ClassVar[int]
    ADDRESS_FIELD_NUMBER: _ClassVar[int]
    SPOOL_BYTES_FIELD_NUMBER: _ClassVar[int]
    SPOOL_LIMIT_FIELD_NUMBER: _ClassVar[int]
    WATCHERS_FIELD_NUMBER: _ClassVar[int]
    CONNECTIONS_FIELD_NUMBER: _ClassVar[int]
    DONE_FIELD_NUMBER: _ClassVar[int]
    FAILED_FIELD_NUMBER: _ClassVar[int]
    CANCELLED_FIELD_NUMBER: _ClassVar[int]
    CRASHES_FIELD_NUMBER: _ClassVar[int]
    PREEMPTIONS_FIELD_NUMBER: _ClassVar[int]
    STOPPING_FIELD_NUMBER: _ClassVar[int]
    NODES_FIELD_NUMBER: _ClassVar[int]
    REMARKS_FIELD_NUMBER: _ClassVar[int]
    version: str
    pid: int
    uptime_seconds: float
    queued: int
    running: int
    queue_limit: int
    workers: _containers.RepeatedCompositeFieldContainer[Worker]
    address: str
    spool_bytes: int
    spool_limit: int
    watchers: int
    connections: int
    done: int
    failed: int
    cancelled: int
    crashes: int
    preemptions: int
    stopping: bool
    nodes: _containers.RepeatedCompositeFieldContainer[Node]
    remarks: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, version: _Optional[str] = ..., pid: _Optional[int] = ..., uptime_seconds: _Optional[float] = ..., queued: _Optional[int] = ..., running: _Optional[int] = ..., queue_limit: _Optional[int] = ..., workers: _Optional[_Iterable[_Union[Worker, _Mapping]]] = ..., address: _Optional[str] = ..., spool_bytes: _Optional[int] = ..., spool_limit: _Optional[int] = ..., watchers: _Optional[int] = ..., connections: _Optional[int] = ..., done: _Optional[int] = ..., failed: _Optional[int] = ..., cancelled: _Optional[int] = ..., crashes: _Optional[int] = ..., preemptions: _Optional[int] = ..., stopping: _Optional[bool] = ..., nodes: _Optional[_Iterable[_Union[Node, _Mapping]]] = ..., remarks: _Optional[_Iterable[str]] = ...) -> None: ...

class Node(_message.Message):
    __slots__ = ("name", "models", "trouble")
    NAME_FIELD_NUMBER: _ClassVar[int]
    MODELS_FIELD_NUMBER: _ClassVar[int]
    TROUBLE_FIELD_NUMBER: _ClassVar[int]
    name: str
    models: _containers.RepeatedScalarFieldContainer[str]
    trouble: str
    def __init__(self, name: _Optional[str] = ..., models: _Optional[_Iterable[str]] = ..., trouble: _Optional[str] = ...) -> None: ...

class Worker(_message.Message):
    __slots__ = ("device", "state", "pid", "models", "memory_bytes", "job_id", "residents", "trouble")
    DEVICE_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    PID_FIELD_NUMBER: _ClassVar[int]
    MODELS_FIELD_NUMBER: _ClassVar[int]
    MEMORY_BYTES_FIELD_NUMBER: _ClassVar[int]
    JOB_ID_FIELD_NUMBER: _ClassVar[int]
    RESIDENTS_FIELD_NUMBER: _ClassVar[int]
    TROUBLE_FIELD_NUMBER: _ClassVar[int]
    device: str
    state: WorkerState
    pid: int
    models: _containers.RepeatedScalarFieldContainer[str]
    memory_bytes: int
    job_id: str
    residents: _containers.RepeatedCompositeFieldContainer[Resident]
    trouble: str
    def __init__(self, device: _Optional[str] = ..., state: _Optional[_Union[WorkerState, str]] = ..., pid: _Optional[int] = ..., models: _Optional[_Iterable[str]] = ..., memory_bytes: _Optional[int] = ..., job_id: _Optional[str] = ..., residents: _Optional[_Iterable[_Union[Resident, _Mapping]]] = ..., trouble: _Optional[str] = ...) -> None: ...

class Resident(_message.Message):
    __slots__ = ("name", "kind", "bytes", "load_seconds", "idle_seconds")
    NAME_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    BYTES_FIELD_NUMBER: _ClassVar[int]
    LOAD_SECONDS_FIELD_NUMBER: _ClassVar[int]
    IDLE_SECONDS_FIELD_NUMBER: _ClassVar[int]
    name: str
    kind: str
    bytes: int
    load_seconds: float
    idle_seconds: float
    def __init__(self, name: _Optional[str] = ..., kind: _Optional[str] = ..., bytes: _Optional[int] = ..., load_seconds: _Optional[float] = ..., idle_seconds: _Optional[float] = ...) -> None: ...
