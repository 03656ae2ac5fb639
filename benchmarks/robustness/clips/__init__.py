"""Clips: videos for the campaigns, what is done to them, and what must come of that.

May not: be a campaign.

To be read in this order: `small_clips` (videos whose frames are told apart), `graded_clips` (videos
whose frames are known), `mp4_surgery` (mutations of MP4), `sequential_check` (is what is served
what FFmpeg shows?).
"""
