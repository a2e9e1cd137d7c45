"""Every field, range and default of Agora's requests, as pydantic models in Agora's spelling."""

# ruff: noqa: N815, RUF012 - the attributes are Agora's keys, and pydantic copies defaults

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from recording_tasks.models import Mode
from recording_tasks.wire.fields import (
    AnyText,
    Color,
    JsonText,
    Part,
    RtmpUrl,
    Secret,
    Share,
    Text,
    UidList,
    UidListOrAll,
    UserUid,
    WebUrl,
    WholeNumber,
)

DEFAULT_EXPIRED_HOUR = 72
MAX_REGIONS = 17


class AcquireOptions(Part):
    """What a caller may give for acquire's clientRequest.

    Postponed transcoding (scene 2) is no longer documented by Agora, and startParameter
    must be repeated byte for byte by start: neither is offered.
    """

    resourceExpiredHour: Annotated[int, Field(ge=1, le=720)] = DEFAULT_EXPIRED_HOUR
    scene: Annotated[Literal[0, 1], WholeNumber] = 0
    region: Literal["CN", "AP", "EU", "NA"] | None = None
    regionAffinity: Annotated[Literal[0, 1, 2, 3, 4], WholeNumber] = 0
    excludeResourceIds: list[Annotated[str, Field(min_length=1)]] = []


class Region(Part):
    """One user's place on the canvas of a custom layout."""

    uid: UserUid = ""
    x_axis: Share
    y_axis: Share
    width: Share
    height: Share
    alpha: Share = 1.0
    render_mode: Annotated[Literal[0, 1], WholeNumber] = 0


class Background(Part):
    """One user's background picture."""

    uid: UserUid
    image_url: WebUrl
    render_mode: Annotated[Literal[0, 1], WholeNumber] = 0


class Layout(Part):
    """The picture of a mixed recording: in transcodingConfig, and bare in updateLayout."""

    maxResolutionUid: UserUid = ""
    mixedVideoLayout: Annotated[Literal[0, 1, 2, 3], WholeNumber] = 0
    backgroundColor: Color = "#000000"
    backgroundImage: WebUrl = ""
    defaultUserBackgroundImage: WebUrl = ""
    layoutConfig: Annotated[list[Region], Field(max_length=MAX_REGIONS)] = []
    backgroundConfig: list[Background] = []


class TranscodingConfig(Layout):
    """The mixed video; Agora falls back to 15 fps in silence for other rates than these."""

    width: Annotated[int, Field(ge=1, le=1920)] = 360
    height: Annotated[int, Field(ge=1, le=1920)] = 640
    fps: Annotated[Literal[1, 7, 10, 15, 24, 30, 60], WholeNumber] = 15
    bitrate: Annotated[int, Field(ge=1, le=6500)] = 500


class RecordingConfig(Part):
    """How the recorder subscribes, in individual and mix mode."""

    channelType: Annotated[Literal[0, 1], WholeNumber] = 0
    streamTypes: Annotated[Literal[0, 1, 2], WholeNumber] = 2
    videoStreamType: Annotated[Literal[0, 1], WholeNumber] = 0
    maxIdleTime: Annotated[int, Field(ge=5, le=2_592_000)] = 30
    decryptionMode: Annotated[Literal[0, 1, 2, 3, 4, 5, 6, 7, 8], WholeNumber] = 0
    secret: Secret = ""
    salt: Secret = ""
    subscribeAudioUids: UidListOrAll = []
    unSubscribeAudioUids: UidList = []
    subscribeVideoUids: UidListOrAll = []
    unSubscribeVideoUids: UidList = []
    subscribeUidGroup: Annotated[Literal[0, 1, 2, 3, 4, 5], WholeNumber] = 0
    streamMode: Literal["default", "standard", "original"] = "default"
    audioProfile: Annotated[Literal[0, 1, 2], WholeNumber] = 0
    transcodingConfig: TranscodingConfig = TranscodingConfig()
    privateParams: JsonText = "{}"


class RecordingFileConfig(Part):
    """The kinds of file."""

    avFileType: Annotated[list[Literal["hls", "mp4"]], Field(min_length=1, max_length=2)] = ["hls"]


class SnapshotConfig(Part):
    """Screenshots; Agora prints both 1 and 5 seconds as the shortest interval, 5 is safe."""

    captureInterval: Annotated[int, Field(ge=5, le=3600)] = 10
    fileType: Annotated[list[Literal["jpg"]], Field(min_length=1, max_length=1)]


class Service(Part):
    """One extension service; its serviceParam has a model of its own in SERVICE_PARAMS."""

    serviceName: Literal["web_recorder_service", "rtmp_publish_service", "aliyun_vod_service"]
    errorHandlePolicy: Literal["error_abort", "error_ignore"] = "error_abort"
    serviceParam: dict[str, Any]


class ExtensionServiceConfig(Part):
    """The extension services: web page recorder, CDN push, legacy VoD."""

    errorHandlePolicy: Literal["error_abort"] = "error_abort"
    apiVersion: Literal["v1"] = "v1"
    extensionServices: Annotated[list[Service], Field(min_length=1)]


class WebRecorderParam(Part):
    """The web page recorder; the default bitrate is 2000 from 1280x720 on, below it 1500."""

    url: WebUrl
    audioProfile: Annotated[Literal[0, 1, 2], WholeNumber]
    videoWidth: Annotated[int, Field(ge=240, le=1920)]
    videoHeight: Annotated[int, Field(ge=240, le=1920)]
    maxRecordingHour: Annotated[int, Field(ge=1, le=720)]
    videoBitrate: Annotated[int, Field(ge=50, le=8000)] = 1500
    videoFps: Annotated[int, Field(ge=5, le=60)] = 15
    mobile: bool = False
    maxVideoDuration: Annotated[int, Field(ge=30, le=240)] = 120
    onhold: bool = False
    readyTimeout: Annotated[int, Field(ge=0, le=60)] = 0


class RtmpOutput(Part):
    """One address that the recorded page is pushed to."""

    rtmpUrl: RtmpUrl


class RtmpParam(Part):
    """CDN push: Agora allows one address."""

    outputs: Annotated[list[RtmpOutput], Field(min_length=1, max_length=1)]


class VodVideo(Part):
    """What Alibaba's VoD wants to know of the video."""

    title: Text
    description: AnyText = ""
    coverUrl: AnyText = ""
    cateId: AnyText = ""
    tags: AnyText = ""
    templateGroupId: AnyText = ""
    userData: AnyText = ""
    storageLocation: AnyText = ""
    workflowId: AnyText = ""


class VodData(Part):
    """The envelope of VodVideo."""

    videoData: VodVideo


class VodParam(Part):
    """Legacy: Alibaba's VoD instead of a bucket."""

    accessKey: Secret
    secretKey: Secret
    regionId: Text
    apiData: VodData


SERVICE_PARAMS: dict[str, type[Part]] = {
    "web_recorder_service": WebRecorderParam,
    "rtmp_publish_service": RtmpParam,
    "aliyun_vod_service": VodParam,
}


class ChannelRequest(Part):
    """What a caller may give for a recording of a channel (individual and mix).

    A token of the caller's own is for those whose settings make none: it is for one uid, or for
    all of the channel, and a session that takes over has another uid.
    """

    token: Secret = ""
    acquire: AcquireOptions = AcquireOptions()
    recordingConfig: RecordingConfig = RecordingConfig()
    recordingFileConfig: RecordingFileConfig = RecordingFileConfig()
    snapshotConfig: SnapshotConfig = SnapshotConfig(fileType=["jpg"])
    extensionServiceConfig: ExtensionServiceConfig | None = None


class WebRequest(Part):
    """What a caller may give for a recording of a web page."""

    acquire: AcquireOptions = AcquireOptions()
    recordingFileConfig: RecordingFileConfig = RecordingFileConfig()
    extensionServiceConfig: ExtensionServiceConfig


class AudioUidList(Part):
    """Whose audio is recorded from now on."""

    subscribeAudioUids: UidListOrAll = []
    unSubscribeAudioUids: UidList = []


class VideoUidList(Part):
    """Whose video is recorded from now on."""

    subscribeVideoUids: UidListOrAll = []
    unSubscribeVideoUids: UidList = []


class StreamSubscribe(Part):
    """The subscription of a running session."""

    audioUidList: AudioUidList = AudioUidList()
    videoUidList: VideoUidList = VideoUidList()


class WebRecordingConfig(Part):
    """Pause and resume a web page recording."""

    onhold: bool = False


class ChannelUpdate(Part):
    """update's clientRequest in individual and mix mode."""

    streamSubscribe: StreamSubscribe


class WebUpdate(Part):
    """update's clientRequest in web mode."""

    webRecordingConfig: WebRecordingConfig = WebRecordingConfig()
    rtmpPublishConfig: RtmpParam | None = None


def request_model(mode: Mode) -> type[Part]:
    """Name the model of what a caller may give in a mode."""
    return WebRequest if mode is Mode.WEB else ChannelRequest


def update_model(mode: Mode) -> type[Part]:
    """Name the model of what update takes in a mode."""
    return WebUpdate if mode is Mode.WEB else ChannelUpdate
